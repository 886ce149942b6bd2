@echo off
rem What has to be deleted daily, under Windows, for the Task Scheduler. Set here what
rem careers-users.xml sets (of a % in a value write two), and keep this file where only
rem administrators and the task's account can read it; that account must be able to read
rem the key's file too.

set "DATABASE_URL=postgresql://careers:change-me@127.0.0.1/careers"
set "CAREERS_USERS_JWT_SECRET_KEY_FILE=C:\ProgramData\careers_users\jwt_secret_key"

"C:\careers_users\.venv\Scripts\careers-users.exe" auth prune-tokens
if errorlevel 1 exit /b 1
"C:\careers_users\.venv\Scripts\careers-users.exe" activity prune-events
