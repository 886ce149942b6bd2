"""Rows of lists as they are usually written: a serializer asks for what each needs."""

from rest_framework import serializers

from drf.models import Follow, User
from drf.serializers import EdgeCardSerializer, UserCardSerializer


def people(_viewer):
    """Return all users."""
    return User.objects.all()


def followers_of(user, _viewer):
    """Return a user's followers, as edges; each gets its user when it is shown."""
    return Follow.objects.filter(following=user)


def is_following(serializer, user):
    """Return whether the viewer follows a user."""
    viewer = serializer.context["request"].user
    if not viewer.is_authenticated:
        return False
    return Follow.objects.filter(follower=viewer, following=user).exists()


class CardSerializer(UserCardSerializer):
    """A row of the list of users."""

    is_following = serializers.SerializerMethodField()

    def get_is_following(self, user):
        return is_following(self, user)


class FollowerSerializer(EdgeCardSerializer):
    """A row of a list of followers."""

    is_following = serializers.SerializerMethodField()

    def get_is_following(self, edge):
        return is_following(self, edge.follower)
