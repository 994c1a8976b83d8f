# Florin in an image: `docker build -t florin .`, or by compose.yaml. CI does not build it: it has no
# Docker. Florin listens on loopback, so run it on the host's network.
# The version of rust-toolchain.toml, whose further components a build does not need.
FROM rust:1.95.0-slim-bookworm AS build
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /florin
COPY . .
RUN cargo build --release --locked --package florin-gateway --features tls

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home florin
COPY --from=build /florin/target/release/florin /usr/local/bin/florin
USER 10001
WORKDIR /data
VOLUME /data
ENV FLORIN__SERVER__DATA_DIR=/data
# SIGTERM finishes what was accepted; give it server.shutdown_seconds_max (30 s).
STOPSIGNAL SIGTERM
ENTRYPOINT ["florin"]
CMD ["serve"]
