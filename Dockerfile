# syntax=docker/dockerfile:1
# Build: docker build -t anypoint-relay .
# Run:   docker run -v ./relay.yaml:/etc/anypoint-relay/relay.yaml:ro -p 8080:8080 anypoint-relay
#
# Versions are pinned by tag. For a reproducible supply chain pin the digests that you have checked:
#   docker build --build-arg RUST=docker.io/library/rust:1.95.0-bookworm@sha256:... .
ARG RUST=docker.io/library/rust:1.95.0-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY sandbox sandbox
RUN cargo fetch --locked
# Nothing but the compiler runs from here on, and it needs no network.
RUN --network=none cargo build --release --locked --offline --bin anypoint-relay

# Distroless: no shell, no package manager; CA certificates and glibc are in it; user 65532.
FROM ${RUNTIME}
COPY --from=build /src/target/release/anypoint-relay /usr/local/bin/anypoint-relay
USER nonroot
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["/usr/local/bin/anypoint-relay", "health", "--url", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/usr/local/bin/anypoint-relay"]
CMD ["serve", "/etc/anypoint-relay/relay.yaml"]
