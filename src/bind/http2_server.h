/* HTTP/2 on an association whose peer chose "h2" by ALPN: many requests at once, each through the same codec and the
 * same gate as over HTTP/1.1. */
#ifndef GH_BIND_HTTP2_SERVER_H
#define GH_BIND_HTTP2_SERVER_H

#include "bind/http_server.h"

/* Takes the connection over from the HTTP/1.1 server, within its `ready` call-back. */
void gh_http2_begin(gh_http_server *server, gh_conn *conn);

#endif
