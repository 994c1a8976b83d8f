# shellcheck shell=bash disable=SC2154 # Sourced by scripts/kafka, which sets the rest.
# What a broker is run from: Java of this machine, and Kafka's jars, by Maven, into the cache.

# All above standard error: a lock, or a pipe of the caller's.
close_descriptors() {
    local descriptor
    for descriptor in /proc/"$BASHPID"/fd/*; do
        descriptor=${descriptor##*/}
        [ "$descriptor" -le 2 ] || eval "exec $descriptor>&-"
    done
}

java_is_new_enough() {
    local version
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

# need PACKAGES TEST…: installs Debian's PACKAGES where that may be done and TEST does not hold.
need() {
    local packages=$1
    shift
    "$@" >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing Debian's $packages" >&2
        # shellcheck disable=SC2086 # Several words, meant so.
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install -y --no-install-recommends $packages; } </dev/null >&2 || true
    fi
    "$@" >/dev/null 2>&1 ||
        fail "$packages is missing: Java 17 or newer, Maven (to fetch Kafka once) and openssl (for --sasl)" \
            "are needed; on Debian: apt-get install default-jre-headless maven openssl"
}

install() {
    need default-jre-headless java_is_new_enough
    [ ! -d "$installed/libs" ] || return 0
    lock "$cache"
    [ ! -d "$installed/libs" ] || return 0
    need maven command -v mvn
    staging=$(mktemp -d "$cache/staging.XXXXXX")
    cat >"$staging/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>florin</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA_VERSION</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    mkdir "$staging/broker" "$staging/tool"
    printf '%s\n' org.slf4j.simpleLogger.{defaultLogLevel=warn,log.kafka=info,showDateTime=true} \
        'org.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS' \
        >"$staging/broker/simplelogger.properties"
    echo org.slf4j.simpleLogger.defaultLogLevel=warn >"$staging/tool/simplelogger.properties"
    echo "fetching Kafka $KAFKA_VERSION into $cache" >&2
    # In the background, as bash heeds a signal only between commands or in a wait.
    (close_descriptors && cd "$staging" && exec timeout "$INSTALL_SECONDS_MAX" mvn -q -B -Dstyle.color=never \
        dependency:copy-dependencies -DoutputDirectory=libs -DincludeScope=runtime) </dev/null >&2 &
    job=$!
    wait "$job" || fail "Maven could not fetch Kafka $KAFKA_VERSION"
    job=
    rm -rf "$installed"
    mv "$staging" "$installed"
    staging=
}
