# syntax=docker/dockerfile:1
# Build: docker build -t anypoint-relay .
# Run:   docker run -v ./relay.yaml:/etc/anypoint-relay/relay.yaml:ro -p 8080:8080 anypoint-relay
#
# No digest is pinned here: both tags are rebuilt under the same name when Debian mends something. RUST
# names compiler and Debian release exactly; distroless has no version tags, so RUNTIME names the Debian
# release alone. For the same bytes at every build give digests that you have checked:
#   docker build -t anypoint-relay \
#     --build-arg RUST=docker.io/library/rust:1.95.0-bookworm@sha256:... \
#     --build-arg RUNTIME=gcr.io/distroless/cc-debian12:nonroot@sha256:... .
ARG RUST=docker.io/library/rust:1.95.0-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
# Writes what the relay is built from into the binary, where scanners of images look for it.
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY sandbox sandbox
COPY fuzz fuzz
RUN cargo fetch --locked
# Nothing but the compiler runs from here on, and it needs no network.
RUN --network=none cargo auditable build --release --locked --offline --bin anypoint-relay

# Distroless: no shell, no package manager; CA certificates and glibc are in it.
FROM ${RUNTIME}
COPY --from=build /src/target/release/anypoint-relay /usr/local/bin/anypoint-relay
# By number, as `runAsNonRoot` of Kubernetes needs it; it is the image's user `nonroot`.
USER 65532:65532
EXPOSE 8080
# Asks at the port that `listen` of the file names, with the container's environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["/usr/local/bin/anypoint-relay", "health", "/etc/anypoint-relay/relay.yaml"]
ENTRYPOINT ["/usr/local/bin/anypoint-relay"]
CMD ["serve", "/etc/anypoint-relay/relay.yaml"]
