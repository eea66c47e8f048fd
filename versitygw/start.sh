# Starts the S3 server with the keys that its clients read from the same file: three lines in the
# form of AWS' credentials. It takes them from its environment alone.
set -eu
{
    read -r _
    read -r _ _ ROOT_ACCESS_KEY_ID
    read -r _ _ ROOT_SECRET_ACCESS_KEY
} </run/bucket/credentials
export ROOT_ACCESS_KEY_ID ROOT_SECRET_ACCESS_KEY

mkdir -p "/data/$BUCKET_NAME"
exec versitygw --port :7070 --health /health --quiet posix /data
