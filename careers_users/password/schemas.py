"""What changing a password takes."""

from typing import Any

from marshmallow import ValidationError, validates_schema
from marshmallow.validate import Length

from careers_users.auth.schemas import check_confirmation
from careers_users.validation.fields import BodySchema, NewPassword, Text
from careers_users.validation.limits import LOGIN_FIELD_MAX
from careers_users.validation.text import nfc


class ChangePasswordSchema(BodySchema):
    """Body of `POST me/password/`."""

    old_password = Text(required=True, validate=Length(1, LOGIN_FIELD_MAX))
    password = NewPassword(required=True)
    password_confirm = Text(required=True)

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a new password mistyped the second time, or equal to the old one."""
        check_confirmation(data)
        if data["password"] == nfc(data["old_password"]):
            raise ValidationError("Must differ from the old one.", "password")
