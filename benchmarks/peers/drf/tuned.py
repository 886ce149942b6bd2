"""Rows of lists, tuned: the statement that finds them brings all that they show."""

from django.db.models import Exists, OuterRef, Value
from rest_framework import serializers

from drf.models import Follow, User
from drf.serializers import EdgeCardSerializer, UserCardSerializer


def people(viewer):
    """Return all users."""
    return with_is_following(User.objects.all(), viewer)


def followers_of(user, viewer):
    """Return a user's followers, as edges."""
    edges = Follow.objects.filter(following=user).select_related("follower")
    return with_is_following(edges, viewer, "follower")


def with_is_following(rows, viewer, user="pk"):
    """Add to each row whether the viewer follows its user, in the same statement."""
    if not viewer.is_authenticated:
        return rows.annotate(is_following=Value(False))
    edge = Follow.objects.filter(follower=viewer, following=OuterRef(user))
    return rows.annotate(is_following=Exists(edge))


class CardSerializer(UserCardSerializer):
    """A row of the list of users."""

    is_following = serializers.BooleanField(read_only=True)


class FollowerSerializer(EdgeCardSerializer):
    """A row of a list of followers."""

    is_following = serializers.BooleanField(read_only=True)
