"""The paths of the calls."""

from django.urls import path
from rest_framework_simplejwt.views import TokenRefreshView

from drf import views

BASE = "careers/users/"

urlpatterns = [
    path(BASE, views.Directory.as_view()),
    path(BASE + "login/", views.Login.as_view()),
    path(BASE + "token/refresh/", TokenRefreshView.as_view()),
    path(BASE + "me/", views.OwnProfile.as_view()),
    path(BASE + "follow/", views.DoFollow.as_view()),
    path(BASE + "<str:username>/", views.Profile.as_view()),
    path(BASE + "<str:username>/followers/", views.Followers.as_view()),
]
