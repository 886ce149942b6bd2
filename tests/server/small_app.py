"""The program that small_server.py runs: our server with a small application."""

APP = """
import json, logging, os, signal, sys, threading, time
from pathlib import Path
from types import ModuleType, SimpleNamespace

from flask import Flask, jsonify, request

# The runner alone; the rest of the package takes a second to import.
package = sys.modules["careers_users"] = ModuleType("careers_users")
package.__path__ = [sys.argv[2]]

from careers_users import server
from careers_users.http import client_address, refusals
from careers_users.server import Application, worker
from careers_users.server.status import draining

options = json.loads(sys.argv[1])
worker.SETTLE_SECONDS = options.pop("settle")
settings = SimpleNamespace(**options)
folder = Path(__file__).parent
say = logging.getLogger("test").warning


def make_app():
    if (folder / "broken").exists():
        raise RuntimeError("no database for the test")
    if (folder / "short-lived").exists():
        threading.Timer(0.2, os._exit, [9]).start()
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"])
    def root():
        return jsonify(pid=os.getpid(), size=len(request.get_data()))

    @app.get("/ip")
    def ip():
        seen = [name for name in request.headers.keys() if "Forwarded" in name]
        return jsonify(ip=request.remote_addr, scheme=request.scheme, seen=seen)

    @app.get("/slow")
    def slow():
        say("slow begins")
        time.sleep(float(request.args["s"]))
        return jsonify(pid=os.getpid())

    @app.get("/big")
    def big():
        return "x" * 1_400_000

    @app.get("/hold")
    def hold():
        say("hold begins")
        while not (folder / "release").exists():
            time.sleep(0.01)
        return jsonify(pid=os.getpid())

    @app.post("/careers/users/login/")
    def login():
        return hold()

    @app.get("/health/live")
    def live():
        return jsonify(pid=os.getpid())

    @app.get("/ready")
    def ready():
        return jsonify(draining=draining.is_set())

    inner = app.wsgi_app

    def crashing(environ, start_response):
        if environ["PATH_INFO"] == "/crash":
            raise OSError("<script>")
        return inner(environ, start_response)

    app.wsgi_app = crashing
    return Application(
        client_address.behind_proxies(app, settings),
        refusals.refuser(settings.cors_origins),
        vital=[("GET", "/health/live")],
        slow=[("POST", "/careers/users/login/")],
    )


logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
try:
    sys.exit(server.run(settings, make_app))
except server.ServerError as error:
    print(f"ServerError: {error}", file=sys.stderr)
    sys.exit(3)
"""
