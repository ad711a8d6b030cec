# Builds Grantor and runs it as a user without rights:
#
#   docker build -t grantor .
#   docker run -p 8080:8080 -v grantor-data:/data -e GRANTOR_ISSUER=https://id.example.com/ grantor
#
# The issuer is the address that the world sees; TLS is a proxy's work, or that of server.tls. To try it on one
# machine: -p 127.0.0.1:8080:8080 -e GRANTOR_ISSUER=http://127.0.0.1:8080/
#
# The database, the master key and the first application's credentials are in the volume /data.
FROM rust:1.95-slim-trixie AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked

FROM debian:trixie-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home grantor \
 && install -d -o grantor -g grantor -m 0700 /data
COPY --from=build /source/target/release/grantor /usr/local/bin/grantor
USER grantor
# Where data/ of the default settings is /data.
WORKDIR /
VOLUME /data
ENV GRANTOR_SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["grantor"]
CMD ["serve"]
