# syntax=docker/dockerfile:1
# Built in a pipeline that has a container engine: docker build --build-arg SEGMENTER_COMMIT="$(git rev-parse --short HEAD)" .
#
# The pipeline pins the base images by the digests that their tags have at that moment (.github/workflows/image.yml). By hand:
#   docker buildx imagetools inspect rust:1.95-bookworm --format '{{.Manifest.Digest}}'
#   docker build --build-arg BUILD_IMAGE=rust:1.95-bookworm@sha256:… --build-arg RUNTIME_IMAGE=…@sha256:… .
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
# Not pinned: Debian keeps only the newest patch of a stable release, so a pinned version would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends libssl-dev zlib1g-dev \
  && rm -rf /var/lib/apt/lists/*
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY schemas schemas
COPY migrations migrations
COPY docs/grants.sql docs/runbook.md docs/
# The context has no .git; `segmenter --version` prints this commit.
ARG SEGMENTER_COMMIT=""
# With traces; they are off until OTEL_EXPORTER_OTLP_ENDPOINT is set. With the list of its crates in the program, for scanners.
RUN cargo auditable build --release --locked --features otlp --bin segmenter \
  && lib="usr/lib/$(uname -m)-linux-gnu" \
  && mkdir -p "/image/$lib" /image/usr/local/bin \
  && cp "/$lib/libssl.so.3" "/$lib/libcrypto.so.3" "/image/$lib/" \
  && cp target/release/segmenter /image/usr/local/bin/

# `--target demo`: the producer of synthetic travellers (docker-compose.yml).
FROM build AS build-demo
COPY examples examples
COPY compose/users.sql compose/users.sql
RUN cargo build --release --locked --features otlp,demo --bin demo \
  && rm /image/usr/local/bin/segmenter \
  && cp target/release/demo /image/usr/local/bin/

FROM ${RUNTIME_IMAGE} AS demo
COPY --from=build-demo /image/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/demo"]

FROM ${RUNTIME_IMAGE}
# The program, and the OpenSSL that librdkafka is linked with.
COPY --from=build /image/ /
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/segmenter"]
CMD ["serve"]
