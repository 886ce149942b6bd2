"""Users and who follows whom, as Django's documentation would have them."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Django's own user, with what a profile shows besides."""

    bio = models.TextField(max_length=1000, blank=True)
    avatar = models.URLField(max_length=2048, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["username"]


class Follow(models.Model):
    """An edge; both foreign keys are indexed, as Django does by itself."""

    follower = models.ForeignKey(
        User, related_name="following_edges", on_delete=models.CASCADE
    )
    following = models.ForeignKey(
        User, related_name="follower_edges", on_delete=models.CASCADE
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["follower", "following"], name="drf_follow_once"
            )
        ]
