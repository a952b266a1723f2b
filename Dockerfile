# Airflow with Second Look's DAGs, operators and services, and the detector in an environment of its own.
# The slim image: the full one brings providers (Google's, for one) that contradict our pins.
FROM apache/airflow:slim-3.3.2-python3.11

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# MXNet's wheel expects two libraries from the distribution, and the health checks expect curl. All else comes
# as wheels with their libraries in them. Debian keeps only the newest build of a package, so pinning a version
# here would break the build at the next security update.
USER 0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends curl libgomp1 libquadmath0 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o airflow -g 0 -m 0775 /opt/detector /opt/second-look /var/lib/second-look

# 50000 is the image's user airflow.
USER 50000
COPY --chown=airflow:0 requirements.txt /opt/second-look/requirements.txt
RUN pip install --no-cache-dir --require-hashes -r /opt/second-look/requirements.txt

# MXNet 1.9.1 needs numpy below 1.24, which Airflow's environment does not have.
COPY --chown=airflow:0 include/detector/requirements.txt /opt/second-look/detector-requirements.txt
RUN python -m venv /opt/detector \
    && /opt/detector/bin/pip install --no-cache-dir --require-hashes -r /opt/second-look/detector-requirements.txt

COPY --chown=airflow:0 dags /opt/airflow/dags
COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include

ENV PYTHONPATH=/opt/airflow:/opt/airflow/plugins \
    SECONDLOOK_DETECTOR_PYTHON=/opt/detector/bin/python
