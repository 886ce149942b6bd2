"""The commands in their groups: a table of contents for the command line."""

from flask.cli import AppGroup

from careers_users import keys_cli
from careers_users.account import cli as account_cli
from careers_users.activity import cli as activity_cli
from careers_users.auth import cli as auth_cli
from careers_users.auth import transfer_cli, users_cli
from careers_users.demo import cli as demo_cli
from careers_users.follow import cli as follow_cli
from careers_users.http.openapi import page

auth = AppGroup("auth", help="Look after sessions and tokens.")
users = AppGroup("users", help="Look after the users and their data.")

for _command in (auth_cli.prune_tokens, auth_cli.revoke):
    auth.add_command(_command)
for _command in (
    users_cli.create,
    users_cli.show,
    users_cli.list_users,
    users_cli.deactivate,
    users_cli.activate,
    users_cli.set_password,
    account_cli.delete_user,
    account_cli.audit_user,
    transfer_cli.import_users,
    transfer_cli.export_users,
    follow_cli.recount,
):
    users.add_command(_command)

# What `careers-users` and `flask` both offer.
COMMANDS = (
    auth,
    users,
    activity_cli.activity,
    keys_cli.keys,
    demo_cli.demo,
    page.openapi_command,
)
