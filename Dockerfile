# Built in a pipeline that has a container engine; the development machines have none.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends libssl-dev zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY schemas schemas
COPY migrations migrations
COPY tests/main.rs tests/main.rs
COPY benches benches
RUN cargo build --release --locked --bin segmenter

FROM gcr.io/distroless/cc-debian12:nonroot
# librdkafka is linked with the distribution's OpenSSL.
COPY --from=build /usr/lib/x86_64-linux-gnu/libssl.so.3 /usr/lib/x86_64-linux-gnu/libcrypto.so.3 /usr/lib/x86_64-linux-gnu/
COPY --from=build /build/target/release/segmenter /usr/local/bin/segmenter
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/segmenter"]
CMD ["serve"]
