/* A broker with a certificate of a test's authority. */
#ifndef GH_TEST_CERTIFIED_BROKER_H
#define GH_TEST_CERTIFIED_BROKER_H

#include "mosquitto_program.h"
#include "temp_dir.h"

#include "../link/link_pki.h"

static inline const char *put_pem(const temp_dir *dir, const char *name, const gh_buf *pem)
{
  gh_buf text = GH_BUF_INIT;
  const char *path = temp_path(dir, name);
  gh_buf_add(&text, gh_buf_str(pem));
  gh_buf_add_char(&text, '\0');
  temp_write(path, text.ptr, 0600);
  gh_buf_wipe_free(&text);
  return path;
}

/* mosquitto with the certificate p->server; it takes those that lead to the root. */
static inline pid_t certified_broker(const temp_dir *dir, const pki *p, uint16_t port)
{
  char conf[2048];
  snprintf(
      conf, sizeof conf,
      "user root\nlistener %u 127.0.0.1\nallow_anonymous true\nrequire_certificate true\ncafile %s\ncertfile %s\n"
      "keyfile %s\nlog_type none\n",
      port, put_pem(dir, "root.pem", &p->root_pem), put_pem(dir, "broker.pem", &p->server_chain_pem),
      put_pem(dir, "broker.key", &p->server_key_pem));
  temp_write(temp_path(dir, "mosquitto.conf"), conf, 0600);
  return mosquitto_begin(temp_path(dir, "mosquitto.conf"), port);
}

#endif
