# The Review Desk alone: its forty packages, not Airflow's. It runs as a user without rights, on a file system
# that it cannot change (compose.yaml), and has PostgreSQL's client programs for `backup` and `restore`, and curl for its health check.
FROM python:3.11-slim-trixie@sha256:9534e5a8e315485d4061ed659af0fd78a284c015f9b73661b41d6bab25604534

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Debian keeps only the newest build of a package, so pinning a version here would break the build at the next
# security update. The client is of PostgreSQL 17, whose pg_dump reads the servers before it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 50000 --no-create-home --shell /usr/sbin/nologin desk \
    && install -d -o desk -g desk -m 0700 /var/lib/second-look /var/lib/second-look-journal /var/lib/second-look-backups

COPY include/review_desk/requirements.txt /opt/review-desk/requirements.txt
RUN pip install --no-cache-dir --require-hashes -r /opt/review-desk/requirements.txt

COPY include/aws_protocol /opt/review-desk/include/aws_protocol
COPY include/http_limits /opt/review-desk/include/http_limits
COPY include/formats /opt/review-desk/include/formats
COPY include/review_desk /opt/review-desk/include/review_desk
RUN python -m compileall -q /opt/review-desk

# As the image of Airflow: a key that an older deployment made stays readable.
USER 50000
WORKDIR /opt/review-desk
ENV PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["python", "-m", "include.review_desk"]
