"""The calls in Django REST Framework, with simplejwt, under gunicorn."""
