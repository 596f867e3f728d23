/* Step 6: what must not work, and the exact code with which it does not. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/client.h"
#include "cmd/config.h"
#include "cmd/demo_story.h"
#include "gatehouse/client.h"
#include "m2m/constants.h"
#include "m2m/json.h"

static void wrong_keys(gh_demo *demo)
{
  gh_run_result r;
  gh_arena *a = demo->arena;
  gh_str intruder = gh_demo_path(demo, "intruder"), nobody = gh_demo_path(demo, "nobody");
  gh_demo_cli(demo, &r, "device", "new", intruder.ptr, "--realm", demo->realm.ptr, "--kpm-id",
              "meter1@mef.sp.example.com", "--generate", gh_demo_path(demo, "intruder.key").ptr, NULL);
  gh_demo_cli(demo, &r, "enrol", intruder.ptr, NULL);
  int wrong = gh_demo_number(&r, "alert");
  gh_demo_expect(demo, r.exit_code == 1 && wrong > 0, "a wrong pre-shared key is refused", "TLS alert %d %.*s", wrong,
                 GH_STR_ARG(gh_demo_text(&r, "alertName")));
  gh_demo_cli(demo, &r, "device", "new", nobody.ptr, "--realm", demo->realm.ptr, "--kpm-id",
              "nobody@mef.sp.example.com", "--generate",
              gh_arena_fmt(a, "%.*s/nobody.key", GH_STR_ARG(demo->dir)).ptr, NULL);
  gh_demo_cli(demo, &r, "enrol", nobody.ptr, NULL);
  gh_demo_expect(demo, r.exit_code == 1 && gh_demo_number(&r, "alert") == wrong,
                 "an unknown identity cannot be told from a wrong key", "TLS alert %d", gh_demo_number(&r, "alert"));
}

static void impersonation(gh_demo *demo)
{
  gh_run_result r;
  gh_demo_cli(demo, &r, "get", gh_demo_path(demo, "meter2").ptr, "cse-in/meter1/data", "--from", "Cmeter1", NULL);
  gh_demo_expect(demo, gh_demo_number(&r, "rsc") == GH_RSC_ORIGINATOR_NOT_AUTHENTICATED,
                 "From of another AE is refused", "%d %.*s", gh_demo_number(&r, "rsc"),
                 GH_STR_ARG(gh_demo_text(&r, "name")));
}

static bool endpoint(gh_demo *demo, gh_realm *realm, const char *fqdn, char host[static GH_ENDPOINT_HOST_BYTES],
                     uint16_t *port)
{
  gh_diag diag;
  (void)demo;
  return gh_realm_endpoint(realm, gh_str_of(fqdn), host, port, &diag) == GH_OK;
}

/* One request in clear, written by hand; the whole answer. */
static ssize_t talk_plain(const char *host, uint16_t port, char *answer, size_t size)
{
  static const char request[] =
      "GET /cse-in HTTP/1.1\r\nHost: in-cse.sp.example.com\r\nX-M2M-Origin: Cmeter1\r\nX-M2M-RI: plain\r\n\r\n";
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct timeval limit = {.tv_sec = 5};
  size_t len = 0;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  bool sent = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1;
  for (ssize_t got = 1; sent && got > 0 && len<size - 1; len += got> 0 ? (size_t)got : 0)
    got = recv(fd, answer + len, size - 1 - len, 0);
  answer[len] = '\0';
  close(fd);
  return sent ? (ssize_t)len : -1;
}

static void clear_text(gh_demo *demo, gh_realm *realm)
{
  char host[GH_ENDPOINT_HOST_BYTES], answer[2048] = "";
  uint16_t port;
  gh_demo_say(demo, "a request over plain TCP, written by hand");
  bool refused = endpoint(demo, realm, "in-cse.sp.example.com", host, &port) &&
                 talk_plain(host, port, answer, sizeof answer) > 0 && strstr(answer, "403") &&
                 strstr(answer, "X-M2M-RSC: 4107");
  gh_demo_expect(demo, refused, "a request without association is refused", "4107 SECURITY_ASSOCIATION_REQUIRED");
}

#define KEY_REGISTRATION                                                                                             \
  "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",\"suid\":32,\"tgis\":[\"//sp.example.com/"   \
  "in-cse\"]}}"

static int register_key(gh_demo *demo, gh_client *client)
{
  gh_response response = {0};
  gh_diag diag;
  gh_request request = {.op = GH_OP_CREATE,
                        .to = GH_STR("maf"),
                        .ty = GH_TY_SYMM_KEY_REG,
                        .has_ty = true,
                        .rcn = GH_RCN_ABSENT,
                        .rt = 3,
                        .drt = 1};
  if (gh_json_parse(demo->arena, GH_STR(KEY_REGISTRATION), &gh_json_default_limits, &request.pc, &diag) != GH_OK)
    return 0;
  return gh_client_request(client, demo->arena, &request, &response, &diag) == GH_OK ? response.rsc : 0;
}

/* The device's own Km, taken from its secure environment as the library does. */
static gh_err maf_association(gh_demo *demo, gh_realm *realm, gh_client **out)
{
  char host[GH_ENDPOINT_HOST_BYTES], passphrase[256];
  gh_str dir = gh_demo_path(demo, "meter1");
  gh_device *device;
  gh_diag diag;
  uint16_t port;
  GH_TRY(gh_device_open(dir.ptr, NULL, &device, &diag));
  gh_str km_id = gh_arena_dup(demo->arena, gh_device_state_get(device)->km_id);
  gh_device_close(device);
  GH_REQUIRE(endpoint(demo, realm, "maf.sp.example.com", host, &port), GH_ECONN);
  FILE *secret = fopen(gh_arena_fmt(demo->arena, "%s/secret", dir.ptr).ptr, "r");
  GH_REQUIRE(secret, GH_EIO);
  bool read = fgets(passphrase, sizeof passphrase, secret) != NULL;
  fclose(secret);
  GH_REQUIRE(read, GH_EIO);
  passphrase[strcspn(passphrase, "\n")] = '\0';
  gh_se *se;
  gh_secret km;
  gh_random random = gh_random_system();
  gh_clock clock = gh_clock_system();
  gh_err err = gh_se_file_open(gh_arena_fmt(demo->arena, "%s/keys.sealed", dir.ptr).ptr, gh_str_of(passphrase),
                               &random, &se, &diag);
  gh_wipe(passphrase, sizeof passphrase);
  if (err != GH_OK) return err;
  err = gh_se_use_psk(se, &clock, GH_SE_KM, km_id, &km);
  gh_se_close(se);
  if (err != GH_OK) return err;
  gh_client_options options = {.host = gh_str_of(host),
                               .port = port,
                               .server_name = GH_STR("maf.sp.example.com"),
                               .psk_identity = km_id,
                               .psk = &km,
                               .tls13 = true};
  err = gh_client_open(&options, out, NULL, &diag);
  gh_secret_wipe(&km);
  return err;
}

static void second_export(gh_demo *demo, gh_realm *realm)
{
  gh_client *client = NULL;
  gh_demo_say(demo, "two exporter-based key registrations in one association with the MAF");
  gh_err err = maf_association(demo, realm, &client);
  int first = err == GH_OK ? register_key(demo, client) : 0, second = err == GH_OK ? register_key(demo, client) : 0;
  gh_client_close(client);
  gh_demo_expect(demo, first == GH_RSC_CREATED && second == GH_RSC_CONFLICT,
                 "a second exported key in one session is refused", "%d, then %d CONFLICT", first, second);
}

static void revocation(gh_demo *demo)
{
  gh_run_result r;
  gh_device *device = NULL;
  gh_reply reply = {.alert = -1};
  gh_diag diag = {""};
  gh_demo_say(demo, "meter2 holds an association with the CSE; the operator revokes its key at the MAF");
  gh_err err = gh_device_open(gh_demo_path(demo, "meter2").ptr, NULL, &device, &diag);
  if (err == GH_OK) err = gh_device_associate(device, GH_DEVICE_KEY_MAF, &reply, &diag);
  if (!gh_demo_expect(demo, err == GH_OK, "meter2 is associated", "%s", diag.text)) {
    gh_device_close(device);
    return;
  }
  gh_str kc_id = gh_arena_dup(demo->arena, gh_device_state_get(device)->kc_id);
  gh_demo_cli(demo, &r, "maf", "key", "revoke", demo->realm.ptr, kc_id.ptr, NULL);
  err = gh_device_wait_closed(device, 1000);
  gh_demo_expect(demo, r.exit_code == 0 && err == GH_OK, "the CSE ends the association within a second", "%.*s",
                 GH_STR_ARG(kc_id));
  gh_device_dissociate(device);
  err = gh_device_associate(device, GH_DEVICE_KEY_MAF, &reply, &diag);
  gh_demo_expect(demo, err == GH_EAUTH, "the revoked key opens no further association", "%s", diag.text);
  gh_device_close(device);
}

void gh_demo_attack(gh_demo *demo)
{
  gh_realm realm;
  gh_diag diag = {""};
  gh_demo_title(demo, "6. Attacks");
  if (!gh_demo_expect(demo, gh_realm_read(demo->realm.ptr, &realm, &diag) == GH_OK,
                      "the realm's configuration is read", "%s", diag.text))
    return;
  wrong_keys(demo);
  impersonation(demo);
  clear_text(demo, &realm);
  second_export(demo, &realm);
  revocation(demo);
  gh_realm_free(&realm);
}
