"""A users service as it was before: Django with simplejwt, profiles and follows."""

import subprocess
import sys
from pathlib import Path

from tests.live_server import PATIENCE, environment

FILES = {
    "manage.py": """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "old_settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "old_settings.py": """
from pathlib import Path
SECRET_KEY = "of the service before this one, long enough for its tokens"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "network"]
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent / "old.db",
}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
ROOT_URLCONF = "network.urls"
ALLOWED_HOSTS = ["testserver"]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [
    "rest_framework_simplejwt.authentication.JWTAuthentication",
]}
PASSWORD_HASHERS = [f"django.contrib.auth.hashers.{name}" for name in (
    "PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher",
    "BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "ScryptPasswordHasher",
    "MD5PasswordHasher",
)]
""",
    "network/__init__.py": "",
    "network/urls.py": """
from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView
urlpatterns = [path("token/", TokenObtainPairView.as_view())]
""",
    "network/models.py": """
from django.contrib.auth.models import User
from django.db import models

class Profile(models.Model):
    user = models.OneToOneField(User, models.CASCADE, related_name="profile")
    bio = models.TextField(blank=True)
    avatar = models.URLField(blank=True)

class Follow(models.Model):
    follower = models.ForeignKey(User, models.CASCADE, related_name="+")
    following = models.ForeignKey(User, models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    class Meta:
        unique_together = ("follower", "following")
""",
    "fill.py": """
from datetime import datetime, timedelta, timezone
from django.contrib.auth.hashers import get_hashers, make_password
from django.contrib.auth.models import User
from django.test import Client
from network.models import Follow, Profile

NOON = datetime(2021, 3, 4, 12, 0, 0, 123456, tzinfo=timezone.utc)
users = [
    User(username=hasher.algorithm, email=f"{hasher.algorithm}@example.com",
         password=make_password("Passw\\u00f6rter 12", hasher=hasher.algorithm))
    for hasher in get_hashers()
]
odd = {
    "zo\\u00eb@example.com": "zoe@example.com", "a" * 60: "long@example.com",
    "admin": "boss@example.com", "Bob": "bob@example.com", "bob": "bob2@example.com",
    "no_address": "", "o'hara+news": "ohara@example.com",
}
users += [User(username=name, email=odd[name], password="!x") for name in odd]
for number, user in enumerate(users):
    user.id, user.date_joined = 1000 - 7 * number, NOON + timedelta(days=number)
    user.first_name, user.last_name = '=1+1 "Zo\\u00eb"', "\\u0141uk\\u00e1cs"
    user.is_active = user.username != "scrypt"
    user.save()
    Profile.objects.create(user=user, bio="two\\nlines, and a \\u201cquote\\u201d")
star, *others = users
for number, user in enumerate(others):
    moment = NOON + timedelta(hours=number)
    Follow.objects.create(follower=user, following=star, created_at=moment)
Follow.objects.create(follower=star, following=users[1], created_at=NOON)
body = {"username": star.username, "password": "Passw\\u00f6rter 12"}
reply = Client().post("/token/", body, content_type="application/json")
assert reply.status_code == 200 and "access" in reply.json(), reply.content
""",
}


def make(folder: Path) -> None:
    """Make the service in a folder, with users of every kind; one of them signs in."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    manage(folder, "makemigrations", "network")
    manage(folder, "migrate")
    manage(folder, "shell", script=FILES["fill.py"])


def manage(folder: Path, *words: str, script: str = "") -> None:
    """Run `manage.py` with these words, and a script on its standard input."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=folder,
        input=script,
        env=environment({}),
        text=True,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
