# One image with every program of Octomesh; the compose file picks one for each
# service. Built from a clone alone: docker build -t octomesh .
FROM golang:1.26 AS build
WORKDIR /src
COPY . .
ENV CGO_ENABLED=0 GOFLAGS=-trimpath
RUN go build -pgo services/octomesh/cmd/octomesh/default.pgo -ldflags "-s -w" -o /out/ \
	./services/octomesh/cmd/octomesh \
	./services/octomesh/cmd/octomesh-all \
	./services/octomesh/cmd/octomesh-entity-all \
	./services/auth/cmd/octomesh-auth \
	./services/entity/cmd/octomesh-entity \
	./services/gateway-http/cmd/octomesh-gateway-http \
	./services/gateway-grpc/cmd/octomesh-gateway-grpc

FROM debian:bookworm-slim
# The data folder is there before a volume is put on it: a new volume takes over
# its owner, and the programs may write.
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/octomesh octomesh \
	&& install -d -o octomesh -m 0700 /var/lib/octomesh/data
COPY --from=build /out/ /usr/local/bin/
USER octomesh
WORKDIR /var/lib/octomesh
ENV OCTOMESH_DATA_DIR=/var/lib/octomesh/data
EXPOSE 4488 50051 4222
ENTRYPOINT []
CMD ["octomesh", "serve", "--nats-host", "0.0.0.0"]
