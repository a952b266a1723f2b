#!/usr/bin/env bash
# What has to be there before Airflow's components start; harmless to run again, which every start does.
set -euo pipefail

project="$(cd "$(dirname "$0")/../.." && pwd)"

airflow db migrate
missing="$(mktemp --suffix .json)"
known="$(airflow pools list --output plain)"
python3 "$project/include/deploy/missing_pools.py" "$project/include/settings/pools.json" <<<"$known" >"$missing"
airflow pools import "$missing"
rm "$missing"
# Says so and changes nothing when the user is there already.
airflow users create --role Admin --username "$AIRFLOW_ADMIN_NAME" --email "$AIRFLOW_ADMIN_EMAIL" \
    --firstname "Second Look" --lastname "Administrator" --password="$AIRFLOW_ADMIN_PASSWORD"
