"""The commands in their groups: a table of contents for the command line."""

from flask.cli import AppGroup

from careers_users.cli import (
    follow_transfer,
    jobs,
    keys,
    mail,
    openapi,
    schema,
    suspensions,
    transfer,
)
from careers_users.cli import post_events as activity_cli
from careers_users.cli import recount as follow_cli
from careers_users.cli import sessions as auth_cli
from careers_users.cli import users as cli_users
from careers_users.cli.demo import command as demo_cli

auth = AppGroup("auth", help="Look after sessions and tokens.")
users = AppGroup("users", help="Look after the users and their data.")

auth.add_command(auth_cli.revoke)
for _command in (
    cli_users.create,
    cli_users.show,
    cli_users.list_users,
    cli_users.deactivate,
    cli_users.activate,
    suspensions.suspend,
    suspensions.restore,
    cli_users.set_password,
    cli_users.delete_user,
    cli_users.audit_user,
    transfer.import_users,
    transfer.export_users,
    follow_transfer.import_follows,
    follow_transfer.export_follows,
    follow_cli.recount,
):
    users.add_command(_command)

# The commands of both `careers-users` and `flask`.
COMMANDS = (
    schema.db,
    auth,
    users,
    activity_cli.activity,
    jobs.jobs,
    mail.mail,
    keys.keys,
    demo_cli.demo,
    openapi.openapi_command,
)
