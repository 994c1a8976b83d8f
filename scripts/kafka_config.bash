# shellcheck shell=bash disable=SC2154 # Sourced by scripts/kafka, which sets the rest.
# What a broker is told: its properties, and with --sasl its certificate and what clients need.

properties() {
    local id=$1 other voters='' replicas=$((brokers < 3 ? brokers : 3)) in_sync
    local own listeners protocols='' timeout=2000
    in_sync=$((replicas < 3 ? 1 : 2))
    [ "$brokers" = 1 ] || timeout=3000
    for other in $(seq "$brokers"); do
        voters+=,$other@127.0.0.1:$(($(port_of "$other") + 1))
    done
    own=$(port_of "$id")
    listeners=PLAINTEXT://127.0.0.1:$own
    if [ "$sasl" = yes ]; then
        listeners+=,SASL_PLAINTEXT://127.0.0.1:$((own + 2)),SASL_SSL://127.0.0.1:$((own + 3))
        listeners+=,SSL://127.0.0.1:$((own + 4))
        protocols=,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
    fi
    cat <<PROPERTIES
process.roles=broker,controller
node.id=$id
controller.quorum.voters=${voters#,}
listeners=$listeners,CONTROLLER://127.0.0.1:$((own + 1))
advertised.listeners=$listeners
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT$protocols
log.dirs=$(home "$id")/data
auto.create.topics.enable=false
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
# A killed broker comes back only when its old registration is over.
broker.session.timeout.ms=$timeout
broker.heartbeat.interval.ms=500
PROPERTIES
    [ "$sasl" = no ] || sasl_properties
}

sasl_properties() {
    local listener module=org.apache.kafka.common.security
    echo sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
    for listener in sasl_plaintext sasl_ssl; do
        echo "listener.name.$listener.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_$SASL_USER=\"$SASL_PASSWORD\";"
        echo "listener.name.$listener.scram-sha-256.sasl.jaas.config=$module.scram.ScramLoginModule required;"
    done
    echo ssl.keystore.type=PEM
    echo "ssl.keystore.location=$dir/tls/broker.pem"
}

# An authority of our own and a certificate for loopback; then what the console tools, and others,
# need to come in by each listener.
security() {
    local mechanism client tls=$dir/tls module=org.apache.kafka.common.security
    need openssl command -v openssl
    rm -rf "$tls"
    (
        umask 077
        mkdir "$tls"
        cd "$tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Florin trial authority' \
            -keyout ca-key.pem -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out request.pem
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >names
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 3650 \
            -extfile names -out certificate.pem
        cat key.pem certificate.pem ca.pem >broker.pem
    ) >"$dir/openssl.log" 2>&1 || fail "openssl failed: $(tail -n 3 "$dir/openssl.log")"
    for mechanism in plain scram; do
        client=$dir/client-$mechanism
        {
            if [ "$mechanism" = plain ]; then
                echo sasl.mechanism=PLAIN
                echo "sasl.jaas.config=$module.plain.PlainLoginModule required username=\"$SASL_USER\" password=\"$SASL_PASSWORD\";"
            else
                echo sasl.mechanism=SCRAM-SHA-256
                echo "sasl.jaas.config=$module.scram.ScramLoginModule required username=\"$SASL_USER\" password=\"$SASL_PASSWORD\";"
            fi
        } >"$client-tls.properties"
        cp "$client-tls.properties" "$client.properties"
        echo security.protocol=SASL_PLAINTEXT >>"$client.properties"
        printf '%s\n' security.protocol=SASL_SSL ssl.truststore.type=PEM \
            "ssl.truststore.location=$tls/ca.pem" >>"$client-tls.properties"
    done
    printf '%s\n' security.protocol=SSL ssl.truststore.type=PEM \
        "ssl.truststore.location=$tls/ca.pem" >"$dir/client-tls.properties"
}
