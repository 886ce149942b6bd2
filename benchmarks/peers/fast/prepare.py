"""Make the FastAPI peer's tables and copy the service's users into them."""

import asyncio

from sqlalchemy import text

from fast.models import Base, engine
from fast.security import hasher

PEOPLE = """
INSERT INTO fast_users SELECT id, username, email, :hash, first_name, last_name, bio,
    avatar, created_at, updated_at FROM users
"""
EDGES = """
INSERT INTO fast_follows SELECT id, follower_id, following_id, created_at FROM follows
"""
SEQUENCE = """
SELECT setval(pg_get_serial_sequence('fast_follows', 'id'), max(id)) FROM fast_follows
"""


async def main():
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        found = await connection.scalar(text("SELECT count(*) FROM fast_follows"))
        if found:
            return
        await connection.execute(text(PEOPLE), {"hash": hasher.hash("password123")})
        await connection.execute(text(EDGES))
        await connection.execute(text(SEQUENCE))
    quiet = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with quiet.connect() as connection:
        await connection.execute(text("VACUUM ANALYZE fast_users"))
        await connection.execute(text("VACUUM ANALYZE fast_follows"))


if __name__ == "__main__":
    asyncio.run(main())
