"""Make the Django peer's tables and copy the service's users into them."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "drf.settings")
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from drf.models import Follow, User  # noqa: E402

COPY = """
INSERT INTO drf_user (id, password, is_superuser, username, first_name, last_name,
    email, is_staff, is_active, date_joined, bio, avatar, created_at, updated_at)
SELECT id, %s, false, username, first_name, last_name, email, false, true, created_at,
    bio, avatar, created_at, updated_at FROM users;
INSERT INTO drf_follow (id, follower_id, following_id, created_at)
SELECT id, follower_id, following_id, created_at FROM follows;
SELECT setval(pg_get_serial_sequence('drf_follow', 'id'), max(id)) FROM drf_follow;
"""


def main():
    call_command("migrate", "auth", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    if User.objects.exists() and Follow.objects.exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(COPY, [make_password("password123")])
        cursor.execute("VACUUM ANALYZE drf_user")
        cursor.execute("VACUUM ANALYZE drf_follow")


if __name__ == "__main__":
    main()
