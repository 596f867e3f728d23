/* bench_coap_null: libcoap's server over DTLS with a pre-shared key, doing nothing: every GET of the resource is
 * answered 2.05 with the payload read from FILE and options as many and as long as a CSE's. Serves until it is
 * killed. bench_coap_null PORT PATH KEY-IN-HEX FILE */
#include <arpa/inet.h>
#include <coap3/coap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 1024, KEY_MAX = 64, RVI = 271, RQI = 283, RSC = 307, JSON = 50 };

static uint8_t body[BODY_MAX];
static size_t body_len;

static void on_get(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                   const coap_string_t *query, coap_pdu_t *response)
{
  static const uint8_t json = JSON, ok[] = {2000 >> 8, 2000 & 0xff};
  (void)resource, (void)session, (void)request, (void)query;
  coap_pdu_set_code(response, COAP_RESPONSE_CODE_CONTENT);
  coap_add_option(response, COAP_OPTION_CONTENT_FORMAT, 1, &json);
  coap_add_option(response, COAP_OPTION_MAXAGE, 0, NULL);
  coap_add_option(response, RVI, 1, (const uint8_t *)"3");
  coap_add_option(response, RQI, 2, (const uint8_t *)"r1");
  coap_add_option(response, RSC, sizeof ok, ok);
  coap_add_data(response, body_len, body);
}

static bool read_body(const char *path)
{
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  body_len = fread(body, 1, sizeof body, file);
  fclose(file);
  return body_len > 0;
}

static size_t read_hex(const char *hex, uint8_t out[static KEY_MAX])
{
  size_t len = strlen(hex) / 2;
  for (size_t i = 0; i < len && i < KEY_MAX; i++) {
    const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
    out[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  return len < KEY_MAX ? len : KEY_MAX;
}

static coap_context_t *new_context(const char *port, const char *key_hex)
{
  uint8_t key[KEY_MAX];
  coap_address_t address;
  size_t key_len = read_hex(key_hex, key);
  coap_address_init(&address);
  address.size = sizeof address.addr.sin;
  address.addr.sin.sin_family = AF_INET;
  address.addr.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.addr.sin.sin_port = htons((uint16_t)atoi(port));
  coap_context_t *context = coap_new_context(NULL);
  bool ok = context && coap_context_set_psk(context, "", key, key_len) &&
            coap_new_endpoint(context, &address, COAP_PROTO_DTLS);
  return ok ? context : NULL;
}

int main(int argc, char **argv)
{
  if (argc != 5 || !read_body(argv[4])) {
    fprintf(stderr, "usage: bench_coap_null PORT PATH KEY-IN-HEX FILE\n");
    return 2;
  }
  coap_startup();
  coap_set_log_level(LOG_CRIT);
  coap_context_t *context = new_context(argv[1], argv[3]);
  coap_resource_t *resource = coap_resource_init(coap_make_str_const(argv[2]), 0);
  if (!context || !resource) return 3;
  coap_register_handler(resource, COAP_REQUEST_GET, on_get);
  coap_add_resource(context, resource);
  printf("serving\n");
  fflush(stdout);
  while (coap_io_process(context, COAP_IO_WAIT) >= 0) continue;
  return 0;
}
