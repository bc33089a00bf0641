#!/bin/sh
# Keys and certificates for tests that need TLS and no Java, valid from 2020 to 2120, except the expired one. The authority's key is thrown away.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
cat > "$work/ca.cnf" <<END
[ca]
default_ca = here
[here]
database = $work/index
serial = $work/serial
new_certs_dir = $work
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:true
END
touch "$work/index"
echo 1000 > "$work/serial"
sign() { # name, extensions, last day, options
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key.pem"
  openssl req -new -key "$1.key.pem" -subj "/CN=$1" -out "$work/$1.csr"
  printf '[%s]\n%s\n' "$1" "$2" >> "$work/ca.cnf"
  openssl ca -batch -config "$work/ca.cnf" -extensions "$1" -startdate 20200101000000Z -enddate "$3" \
    -keyfile authority.key.pem $4 -in "$work/$1.csr" -out "$1.pem" -notext
}
sign authority '' 21200101000000Z -selfsign
sign server 'subjectAltName=DNS:localhost,IP:127.0.0.1' 21200101000000Z '-cert authority.pem'
sign elsewhere 'subjectAltName=DNS:elsewhere.example' 21200101000000Z '-cert authority.pem'
sign expired 'subjectAltName=DNS:localhost,IP:127.0.0.1' 20200102000000Z '-cert authority.pem'
sign client 'subjectAltName=DNS:client' 21200101000000Z '-cert authority.pem'
rm -r authority.key.pem "$work"
