# syntax=docker/dockerfile:1
# Built in a pipeline that has a container engine: docker build --build-arg SEGMENTER_COMMIT="$(git rev-parse --short HEAD)" .
FROM rust:1.95-bookworm AS build
# Not pinned: Debian keeps only the newest patch of a stable release, so a pinned version would soon be gone.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends libssl-dev zlib1g-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY schemas schemas
COPY migrations migrations
COPY docs/grants.sql docs/grants.sql
# The context has no .git; `segmenter --version` prints this commit.
ARG SEGMENTER_COMMIT=""
# With traces; they are off until OTEL_EXPORTER_OTLP_ENDPOINT is set.
RUN cargo build --release --locked --features otlp --bin segmenter \
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

FROM gcr.io/distroless/cc-debian12:nonroot AS demo
COPY --from=build-demo /image/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/demo"]

FROM gcr.io/distroless/cc-debian12:nonroot
# The program, and the OpenSSL that librdkafka is linked with.
COPY --from=build /image/ /
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/segmenter"]
CMD ["serve"]
