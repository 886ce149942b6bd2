"""Rotation as the operator sets it: required or off."""

import pytest
from flask import Flask

from config import TestConfig
from tests.api import Api
from tests.auth.rotation import KEY, assert_over, rotate, try_rotate, use
from tests.auth.stored import claims_of


class TestRequired:
    """The setting `required`."""

    @pytest.fixture
    def settings(self, database_url: str) -> TestConfig:
        """Every refresh rotates."""
        return TestConfig(
            database_url=database_url,
            jwt_secret_key="k" * 32,
            refresh_rotation="required",
        )

    def test_every_refresh_rotates(self, api: Api) -> None:
        alice = api.register("alice")
        response = api.post("token/refresh/", {"refresh": alice.refresh})
        assert claims_of(response.json["refresh"])["gen"] == 2
        again = rotate(api, response.json["refresh"])
        assert claims_of(again["refresh"])["gen"] == 3
        body = {"refresh": again["refresh"], "rotate": False}
        refused = api.post("token/refresh/", body)
        assert refused.status_code == 400
        assert set(refused.json["details"]) == {"rotate"}


class TestOff:
    """The setting `off`, and no window."""

    @pytest.fixture
    def settings(self, database_url: str) -> TestConfig:
        """No refresh rotates."""
        return TestConfig(
            database_url=database_url, jwt_secret_key=KEY, refresh_rotation="off"
        )

    def test_no_refresh_rotates(self, api: Api, app: Flask) -> None:
        alice = api.register("alice")
        body = {"refresh": alice.refresh}
        refused = api.post("token/refresh/", {**body, "rotate": True})
        assert refused.status_code == 400
        assert set(refused.json["details"]) == {"rotate"}
        assert set(api.post("token/refresh/", body).json) == {"access"}
        # Sessions rotated while it was on go on.
        app.config["REFRESH_ROTATION"] = "optional"
        second = rotate(api, alice.refresh)
        app.config["REFRESH_ROTATION"] = "off"
        body = {"refresh": second["refresh"]}
        assert set(api.post("token/refresh/", body).json) == {"access"}

    def test_without_a_window_the_first_use_is_the_end(
        self, api: Api, app: Flask
    ) -> None:
        app.config.update(REFRESH_ROTATION="optional", REFRESH_REUSE_WINDOW=0)
        alice = api.register("alice")
        second = rotate(api, alice.refresh)
        rotate(api, alice.refresh)
        use(api, second["access"])
        assert try_rotate(api, alice.refresh).status_code == 401
        assert_over(api, app, second)
