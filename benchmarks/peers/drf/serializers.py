"""What goes in and out, by model serializers."""

from rest_framework import serializers

from drf.models import Follow, User


class CardSerializer(serializers.ModelSerializer):
    """A row of a list; the query adds `is_following`."""

    is_following = serializers.BooleanField(read_only=True)

    class Meta:
        model = User
        fields = [
            *("id", "username", "first_name", "last_name", "avatar", "is_following")
        ]


class FollowerSerializer(serializers.ModelSerializer):
    """The same row, out of an edge."""

    id = serializers.IntegerField(source="follower.id")
    username = serializers.CharField(source="follower.username")
    first_name = serializers.CharField(source="follower.first_name")
    last_name = serializers.CharField(source="follower.last_name")
    avatar = serializers.CharField(source="follower.avatar")
    is_following = serializers.BooleanField()

    class Meta:
        model = Follow
        fields = CardSerializer.Meta.fields


class ProfileSerializer(serializers.ModelSerializer):
    """What others see of a user."""

    posts_count = serializers.SerializerMethodField()
    followers_count = serializers.IntegerField(source="follower_edges.count")
    following_count = serializers.IntegerField(source="following_edges.count")

    class Meta:
        model = User
        fields = [
            *("id", "username", "first_name", "last_name", "bio", "avatar"),
            *("created_at", "posts_count", "followers_count", "following_count"),
        ]

    def get_posts_count(self, _user):
        return 0


class OwnProfileSerializer(ProfileSerializer):
    """What users see of themselves."""

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
