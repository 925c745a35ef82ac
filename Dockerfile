# The base images, here alone; hack/release.sh reads BASE for the images of a release. renovate.json has them pinned by digest.
ARG BUILD=docker.io/library/golang:1.26
ARG BASE=gcr.io/distroless/static:nonroot

# Compiles on the platform of the builder for that of the image, which is faster than under emulation.
FROM --platform=$BUILDPLATFORM ${BUILD} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
# Without cgo the binary is static: the image below has no C library.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w" -o /egain-operator .

# Root certificates and time zones, and no shell.
FROM ${BASE}
ARG VERSION=unknown
LABEL org.opencontainers.image.title=egain-operator \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.version=$VERSION
COPY --from=build /egain-operator /egain-operator
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/egain-operator"]
