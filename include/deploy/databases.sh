#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when its volume is empty: a database and a user for each of the two.
set -euo pipefail

add() {
    psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
        --set name="$1" --set password="$2" <<'SQL'
CREATE USER :"name" PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8';
SQL
}

add airflow "$AIRFLOW_DATABASE_PASSWORD"
add desk "$DESK_DATABASE_PASSWORD"
