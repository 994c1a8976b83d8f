# Builds an image of Florin: `docker build -t florin .`, or with compose.yaml. CI does not build it, because it
# has no Docker. Florin listens on loopback, so run the container on the host's network.
# The Rust version is the one of rust-toolchain.toml. RUSTUP_TOOLCHAIN overrides that file, because a build does
# not need the components that it lists.
FROM rust:1.95.0-slim-bookworm AS build
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /florin
COPY . .
# This also builds OpenSSL from its sources, which needs the complete perl package.
RUN cargo build --profile dist --locked --package florin-gateway --features tls \
    && strip target/dist/florin

FROM debian:bookworm-slim
# ca-certificates is for brokers whose certificates a public authority signed (kafka.tls_ca_file is empty).
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /data --create-home florin
COPY --from=build /florin/target/dist/florin /usr/local/bin/florin
USER 10001
WORKDIR /data
VOLUME /data
ENV FLORIN__SERVER__DATA_DIR=/data
# On SIGTERM Florin finishes accepted commands; allow it server.shutdown_seconds_max (30 s).
STOPSIGNAL SIGTERM
# `florin health` asks the server with the same settings; its exit code is 0 if the server is ready.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["florin", "health"]
ENTRYPOINT ["florin"]
CMD ["serve"]
