# Four images from one file: cpu, cpu-tensorflow, gpu and train; cpu without --target.
#
# Both the classic builder and BuildKit build it. The classic one builds every stage above the one
# it is asked for, so they stand from light to heavy. Within a stage what seldom changes comes first:
# a change of the code installs no package again.
#
# What the host needs to reach the outside comes in as build arguments (HTTP_PROXY and its like, the
# ones below) and stays in the stages that build; no image that is run has them in a layer.
# The classic builder passes names on as they are; apt-get knows the small letters alone.

ARG BASE=debian:trixie-slim

# Debian with what every image runs: its Python, an init, a user who owns nothing. No manuals, no
# translations and no rights that a program may gain, whatever the base came with.
FROM ${BASE} AS system
# By this a stage that no image is made from is known for ours.
LABEL polypseg.stage=true
RUN export http_proxy="${http_proxy:-$HTTP_PROXY}" https_proxy="${https_proxy:-$HTTPS_PROXY}" \
        no_proxy="${no_proxy:-$NO_PROXY}" \
    && apt-get update -o APT::Update::Error-Mode=any \
    && DEBIAN_FRONTEND=noninteractive apt-get upgrade --yes \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* \
        /usr/share/info/* /usr/share/locale/* /usr/share/man/* \
    && find /usr/share/doc -type f ! -name copyright -delete \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && groupadd --gid 10001 polypseg \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin polypseg

# The same in one layer: a base that is older than Debian's fixes leaves no second copy behind.
FROM scratch AS runtime
COPY --from=system / /
RUN install --directory --owner=polypseg --group=polypseg /var/cache/polypseg
COPY deploy/healthcheck.py /opt/healthcheck.py
ENV PATH=/opt/polypseg/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    POLYPSEG_HOST=0.0.0.0
WORKDIR /srv
USER polypseg
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "polypseg"]
CMD ["serve"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/healthcheck.py"]

# Where packages are installed; nothing of it is run later but /opt/polypseg.
FROM system AS build
WORKDIR /build
ENV PATH=/opt/polypseg/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN export http_proxy="${http_proxy:-$HTTP_PROXY}" https_proxy="${https_proxy:-$HTTPS_PROXY}" \
        no_proxy="${no_proxy:-$NO_PROXY}" \
    && apt-get update -o APT::Update::Error-Mode=any \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        binutils ca-certificates python3-venv \
    && rm -rf /var/lib/apt/lists/*
# The text of certificates to trust beside Debian's, where a proxy opens the connections.
ARG BUILD_CA_CERTIFICATES=""
RUN cp /etc/ssl/certs/ca-certificates.crt trusted.pem \
    && printf '%s\n' "$BUILD_CA_CERTIFICATES" >>trusted.pem \
    && python3 -m venv /opt/polypseg
ENV PIP_CERT=/build/trusted.pem \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_REQUIRE_VIRTUALENV=1 \
    PIP_ROOT_USER_ACTION=ignore
ARG PIP_INDEX_URL=""
ARG PIP_EXTRA_INDEX_URL=""
ARG PIP_TRUSTED_HOST=""

FROM build AS core-packages
COPY requirements/core.txt requirements/
RUN pip install --require-hashes --no-deps --only-binary :all: --requirement requirements/core.txt

# The package itself and the model, with modes that any user may read, whatever the checkout's are.
FROM core-packages AS polypseg
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY model_training model_training
RUN pip install --no-deps --no-index --no-build-isolation --root /image .
COPY models/polyp-unet /image/srv/models/polyp-unet
RUN chmod -R a+rX,go-w /image

FROM core-packages AS core
COPY deploy/trim .
RUN ./trim

FROM runtime AS cpu
COPY --from=core /opt/polypseg /opt/polypseg
COPY --from=polypseg /image /
ARG VERSION=""
ARG REVISION=""
ARG MODEL_SHA256=""
LABEL org.opencontainers.image.title="polypseg" \
    org.opencontainers.image.description="Polyp segmentation for colonoscopy images. Research use only; not a medical device." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    polypseg.model.sha256="$MODEL_SHA256"

FROM core-packages AS tensorflow-packages
COPY requirements/tensorflow.txt requirements/
RUN pip install --require-hashes --no-deps --only-binary :all: --requirement requirements/tensorflow.txt

FROM tensorflow-packages AS tensorflow
COPY deploy/trim .
RUN ./trim

FROM runtime AS cpu-tensorflow
COPY --from=tensorflow /opt/polypseg /opt/polypseg
COPY --from=polypseg /image /
ENV POLYPSEG_ENGINE=tensorflow \
    POLYPSEG_DEVICE=cpu \
    TF_CPP_MIN_LOG_LEVEL=2
CMD ["serve", "--engine", "tensorflow", "--device", "cpu"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/healthcheck.py"]
ARG VERSION=""
ARG REVISION=""
ARG MODEL_SHA256=""
LABEL org.opencontainers.image.title="polypseg" \
    org.opencontainers.image.description="Polyp segmentation for colonoscopy images. Research use only; not a medical device." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    polypseg.model.sha256="$MODEL_SHA256"

FROM tensorflow-packages AS gpu-packages
COPY requirements/gpu.txt requirements/
RUN pip install --require-hashes --no-deps --only-binary :all: --requirement requirements/gpu.txt

FROM gpu-packages AS tensorflow-gpu
COPY deploy/trim .
RUN ./trim

FROM runtime AS gpu
COPY --from=tensorflow-gpu /opt/polypseg /opt/polypseg
COPY --from=polypseg /image /
# A GPU that cannot be had is an error here, never a silent processor. Compiled programs are kept.
ENV POLYPSEG_DEVICE=gpu \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/var/cache/polypseg/cuda \
    XDG_CACHE_HOME=/var/cache \
    TF_CPP_MIN_LOG_LEVEL=2
VOLUME /var/cache/polypseg
CMD ["serve", "--device", "gpu"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python3", "-I", "-S", "/opt/healthcheck.py"]
ARG VERSION=""
ARG REVISION=""
ARG MODEL_SHA256=""
LABEL org.opencontainers.image.title="polypseg" \
    org.opencontainers.image.description="Polyp segmentation for colonoscopy images. Research use only; not a medical device." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" \
    polypseg.model.sha256="$MODEL_SHA256"

# Trains on a GPU where there is one.
FROM gpu-packages AS training
COPY requirements/train.txt requirements/
RUN pip install --require-hashes --no-deps --only-binary :all: --requirement requirements/train.txt
COPY deploy/trim .
RUN ./trim

FROM runtime AS train
COPY --from=training /opt/polypseg /opt/polypseg
COPY --from=polypseg /image /
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TF_CPP_MIN_LOG_LEVEL=2
CMD ["--help"]
HEALTHCHECK NONE
ARG VERSION=""
ARG REVISION=""
# A run says which code has made it; there is no history in here to ask.
ENV POLYPSEG_COMMIT="$REVISION"
LABEL org.opencontainers.image.title="polypseg, with training" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"

FROM cpu
