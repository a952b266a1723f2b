#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when its volume is empty: a database and a user for each of the two.
set -euo pipefail

psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv airflow_password AIRFLOW_DATABASE_PASSWORD
\getenv desk_password DESK_DATABASE_PASSWORD
CREATE USER airflow PASSWORD :'airflow_password';
CREATE USER desk PASSWORD :'desk_password';
CREATE DATABASE airflow OWNER airflow ENCODING 'UTF8';
CREATE DATABASE desk OWNER desk ENCODING 'UTF8';
SQL
