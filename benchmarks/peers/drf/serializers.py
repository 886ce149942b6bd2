"""Bodies and replies, by model serializers.

The differences between the two styles are in usual.py and tuned.py.
"""

from rest_framework import serializers

from drf.models import Follow, User

CARD = [*("id", "username", "first_name", "last_name", "avatar", "is_following")]


class UserCardSerializer(serializers.ModelSerializer):
    """A row of a list out of a user, but for `is_following`."""

    class Meta:
        model = User
        fields = CARD


class EdgeCardSerializer(serializers.ModelSerializer):
    """A user's row out of an edge, but for `is_following`."""

    id = serializers.IntegerField(source="follower.id")
    username = serializers.CharField(source="follower.username")
    first_name = serializers.CharField(source="follower.first_name")
    last_name = serializers.CharField(source="follower.last_name")
    avatar = serializers.CharField(source="follower.avatar")

    class Meta:
        model = Follow
        fields = CARD


class ProfileSerializer(serializers.ModelSerializer):
    """A user as others see them."""

    posts_count = serializers.SerializerMethodField()
    followers_count = serializers.SerializerMethodField()
    following_count = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            *("id", "username", "first_name", "last_name", "bio", "avatar"),
            *("created_at", "posts_count", "followers_count", "following_count"),
        ]

    def get_posts_count(self, _user):
        return 0

    def get_followers_count(self, user):
        return user.follower_edges.count()

    def get_following_count(self, user):
        return user.following_edges.count()


class OwnProfileSerializer(ProfileSerializer):
    """A user as they see themselves."""

    class Meta(ProfileSerializer.Meta):
        fields = [*ProfileSerializer.Meta.fields, "email", "updated_at"]


class FollowSerializer(serializers.ModelSerializer):
    """A new edge."""

    follower_username = serializers.CharField(
        source="follower.username", read_only=True
    )
    following_username = serializers.CharField(
        source="following.username", read_only=True
    )

    class Meta:
        model = Follow
        fields = [
            *("id", "follower", "following", "follower_username"),
            *("following_username", "created_at"),
        ]
        read_only_fields = ["follower"]

    def validate_following(self, user):
        viewer = self.context["request"].user
        if user == viewer:
            raise serializers.ValidationError("You can't follow yourself.")
        if Follow.objects.filter(follower=viewer, following=user).exists():
            raise serializers.ValidationError("You already follow this user.")
        return user
