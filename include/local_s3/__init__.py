"""Amazon S3 and SQS on this machine: MiniStack behind a gate that lets signed requests pass, and no others.

MiniStack is made for tests of one developer: it takes requests without a signature, does not verify those of
its own key, wipes everything when ``/_ministack/reset`` is posted to, and lets pages of any origin read all
that. The gate (:mod:`include.local_s3.gate`) verifies every signature before MiniStack sees the request.
"""
