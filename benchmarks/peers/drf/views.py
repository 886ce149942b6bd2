"""The calls, as generic views."""

from django.conf import settings
from rest_framework import filters, generics, pagination, permissions
from rest_framework.response import Response
from rest_framework_simplejwt.views import TokenObtainPairView

from drf import tuned, usual
from drf.models import User
from drf.serializers import (
    FollowSerializer,
    OwnProfileSerializer,
    ProfileSerializer,
)

style = tuned if settings.TUNED else usual


class Batches(pagination.PageNumberPagination):
    """Batches by number; Django's paginator counts from 1."""

    page_query_param = "batch_number"
    page_size_query_param = "batch_size"
    page_size = 10
    max_page_size = 100

    def get_page_number(self, request, paginator):
        return int(request.query_params.get(self.page_query_param, 0)) + 1


class DirectoryBatches(Batches):
    """The envelope of the list of users."""

    def get_paginated_response(self, data):
        paginator = self.page.paginator
        return Response(
            {
                "message": "Users retrieved successfully",
                "users": data,
                "batch_info": {
                    "current_batch": self.page.number - 1,
                    "batch_size": paginator.per_page,
                    "total_users": paginator.count,
                    "total_batches": paginator.num_pages,
                    "users_in_current_batch": len(data),
                },
            }
        )


class Directory(generics.ListAPIView):
    """List and search users."""

    serializer_class = style.CardSerializer
    pagination_class = DirectoryBatches
    filter_backends = [filters.SearchFilter, filters.OrderingFilter]
    search_fields = ["username", "first_name", "last_name", "bio"]
    ordering_fields = ["username", "created_at", "first_name", "last_name"]

    def get_queryset(self):
        return style.people(self.request.user)


class Profile(generics.RetrieveAPIView):
    """Get a user's public profile."""

    queryset = User.objects.all()
    serializer_class = ProfileSerializer
    lookup_field = "username"


class OwnProfile(generics.RetrieveAPIView):
    """Get your own profile."""

    serializer_class = OwnProfileSerializer
    permission_classes = [permissions.IsAuthenticated]

    def get_object(self):
        return self.request.user


class Followers(generics.ListAPIView):
    """List a user's followers, newest first."""

    serializer_class = style.FollowerSerializer
    pagination_class = Batches

    def get_queryset(self):
        user = generics.get_object_or_404(User, username=self.kwargs["username"])
        return style.followers_of(user, self.request.user)


class DoFollow(generics.CreateAPIView):
    """Follow a user."""

    serializer_class = FollowSerializer
    permission_classes = [permissions.IsAuthenticated]

    def perform_create(self, serializer):
        serializer.save(follower=self.request.user)


class Login(TokenObtainPairView):
    """Sign in; simplejwt's own view."""
