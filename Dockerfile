# attuned and attunectl in a small image:
#   docker build -t attune .
#   docker run -p 127.0.0.1:7070:7070 -p 127.0.0.1:9464:9464 -v attune:/var/lib/attune attune
# The server speaks plain text to whoever reaches it: publish its ports to a private network only.

FROM debian:bookworm AS build
WORKDIR /src
COPY deploy/packages.txt deploy/install-packages deploy/precompile-header deploy/
RUN deploy/install-packages --yes build
COPY CMakeLists.txt CMakePresets.json ./
COPY proto proto
COPY lib lib
COPY service service
RUN cmake --preset release -DATTUNE_TESTS=OFF \
    && cmake --build build/release --target attuned attunectl \
    && strip --strip-debug build/release/bin/attuned build/release/bin/attunectl

FROM debian:bookworm-slim
COPY deploy/packages.txt deploy/install-packages /tmp/deploy/
RUN /tmp/deploy/install-packages --yes runtime \
    && rm -rf /tmp/deploy /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/attune --shell /usr/sbin/nologin \
        attune \
    && install -d -m 0700 -o attune -g attune /var/lib/attune
COPY --from=build /src/build/release/bin/attuned /src/build/release/bin/attunectl /usr/local/bin/
COPY deploy/example /etc/attune
# Fails the build when a shared library is missing or the strategy is not right.
RUN attunectl --help >/dev/null && attuned --validate_only --strategy /etc/attune/telecom.yaml

USER attune
WORKDIR /var/lib/attune
VOLUME /var/lib/attune
EXPOSE 7070 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["attuned", "--health_check", "127.0.0.1:7070"]
ENTRYPOINT ["attuned"]
CMD ["--strategy", "/etc/attune/telecom.yaml", "--data_dir", "/var/lib/attune", \
     "--listen", "0.0.0.0:7070", "--metrics_listen", "0.0.0.0:9464"]
