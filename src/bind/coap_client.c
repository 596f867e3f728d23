/* One request under way; its token tells its answers from late ones of those before. */
#include "bind/coap_client.h"

enum { FRAME_MAX = 16 << 20, ANSWER_MAX = 16 << 20 };

static void on_time(uv_timer_t *timer);

static int64_t now_of(const gh_coap_client *client)
{
  return (int64_t)uv_now(client->timer.loop) * 1000;
}

static void rearm(gh_coap_client *client)
{
  if (client->stream || uv_is_closing((uv_handle_t *)&client->timer)) return;
  int64_t now = now_of(client), next = gh_coap_layer_tick(&client->layer, now);
  if (next == INT64_MAX)
    uv_timer_stop(&client->timer);
  else
    uv_timer_start(&client->timer, on_time, next > now ? (uint64_t)(next - now) / 1000 + 1 : 1, 0);
}

static void on_time(uv_timer_t *timer)
{
  rearm(timer->data);
}

static void emit(void *ctx, gh_str datagram)
{
  const gh_coap_client *client = ctx;
  if (client->conn) gh_conn_write(client->conn, datagram);
}

static void finish(gh_coap_client *client, gh_err err)
{
  if (!client->busy) return;
  client->busy = false;
  client->done = true;
  client->err = err;
}

static void on_lost(void *ctx, uint16_t mid)
{
  (void)mid;
  finish(ctx, GH_ETIMEOUT);
}

void gh_coap_client_init(gh_coap_client *client, uv_loop_t *uv, bool stream, const gh_random *random)
{
  *client = (gh_coap_client){.random = random, .stream = stream, .szx = GH_COAP_SZX_1024};
  gh_arena_init(&client->arena);
  gh_coap_layer_init(&client->layer, NULL, random, emit, client);
  client->layer.client = true;
  client->layer.lost = on_lost;
  uv_timer_init(uv, &client->timer);
  client->timer.data = client;
}

void gh_coap_client_close(gh_coap_client *client)
{
  if (!uv_is_closing((uv_handle_t *)&client->timer)) uv_close((uv_handle_t *)&client->timer, NULL);
}

void gh_coap_client_free(gh_coap_client *client)
{
  gh_coap_layer_free(&client->layer);
  gh_buf_wipe_free(&client->in);
  gh_buf_wipe_free(&client->answer);
  gh_buf_wipe_free(&client->answer_body);
  gh_arena_free(&client->arena);
}

/* ---- sending */

static gh_err send_message(gh_coap_client *client, gh_coap_message *m)
{
  uint16_t mid;
  if (!client->conn) return GH_ECONN;
  if (!client->stream) {
    GH_TRY(gh_coap_layer_send(&client->layer, now_of(client), m, &mid));
    rearm(client);
    return GH_OK;
  }
  gh_buf out = GH_BUF_INIT;
  gh_coap_write_tcp(&out, m);
  gh_conn_write(client->conn, gh_buf_str(&out));
  gh_buf_wipe_free(&out);
  return GH_OK;
}

void gh_coap_client_ready(gh_coap_client *client, gh_conn *conn)
{
  client->conn = conn;
  if (!client->stream) return;
  gh_coap_message csm = {.code = GH_COAP_CSM};                                 /*= RFC 8323 5.3 */
  (void)gh_coap_add(&csm, GH_COAP_CSM_MAX_MESSAGE_SIZE, GH_STR("\x01\0\0\0")); /* FRAME_MAX */
  (void)gh_coap_add(&csm, GH_COAP_CSM_BLOCK_WISE, GH_STR_NONE);
  if (send_message(client, &csm) != GH_OK) gh_conn_close(conn, GH_ECONN, "cannot send");
}

/* A token nobody can guess, for each message its own. */ /*= RFC 7252 5.3.1 */
static gh_err new_token(gh_coap_client *client, gh_coap_message *m)
{
  m->token_len = 8;
  return gh_random_fill(client->random, m->token, m->token_len);
}

/* The next part of the request, or the next question for a part of the answer. */ /*= TS-0008 6.5; RFC 7959 2.5 */
static gh_err send_part(gh_coap_client *client, uint16_t option, gh_coap_block block)
{
  gh_coap_message m = client->request;
  GH_TRY(new_token(client, &client->request));
  memcpy(m.token, client->request.token, sizeof m.token);
  m.token_len = client->request.token_len;
  if (option != GH_COAP_BLOCK2) m.payload = client->body;
  if (option == GH_COAP_BLOCK1)
    m.payload = gh_str_sub(client->body, block.num * gh_coap_block_bytes(block.szx), gh_coap_block_bytes(block.szx));
  bool small = !client->stream && client->szx < GH_COAP_SZX_1024; /*= RFC 7959 2.4 early negotiation */
  if (small && option != GH_COAP_BLOCK2)
    GH_REQUIRE(gh_coap_add_uint(&client->arena, &m, GH_COAP_BLOCK2,
                                gh_coap_block_value((gh_coap_block){.szx = client->szx})),
               GH_EINVAL);
  if (option) GH_REQUIRE(gh_coap_add_uint(&client->arena, &m, option, gh_coap_block_value(block)), GH_EINVAL);
  return send_message(client, &m);
}

static gh_coap_block upload_block(const gh_coap_client *client)
{
  size_t unit = gh_coap_block_bytes(client->szx);
  return (gh_coap_block){client->block1, (client->block1 + 1) * unit < client->body.len, client->szx};
}

gh_err gh_coap_client_send(gh_coap_client *client, const gh_request *request, int64_t now_us)
{
  gh_arena_reset(&client->arena);
  client->request = (gh_coap_message){.code = 0};
  GH_TRY(gh_coap_from_request(&client->arena, request, now_us, &client->request));
  for (size_t i = 0; i < client->request.option_count; i++) /* the caller's texts may go */
    client->request.options[i].value = gh_arena_dup(&client->arena, client->request.options[i].value);
  client->body = gh_arena_dup(&client->arena, client->request.payload);
  client->request.payload = GH_STR_NONE;
  client->done = false;
  client->busy = true;
  client->block1 = 0;
  client->in_blocks = !client->stream && client->body.len > gh_coap_block_bytes(client->szx);
  gh_buf_clear(&client->answer_body);
  return send_part(client, client->in_blocks ? GH_COAP_BLOCK1 : 0, upload_block(client));
}

/* ---- taking answers */

static void keep_answer(gh_coap_client *client, const gh_coap_message *m)
{
  gh_coap_message whole = {.code = m->code, .option_count = 0};
  for (size_t i = 0; i < m->option_count; i++)
    if (m->options[i].number != GH_COAP_BLOCK1 && m->options[i].number != GH_COAP_BLOCK2)
      whole.options[whole.option_count++] = m->options[i];
  whole.payload = gh_buf_str(&client->answer_body);
  gh_buf_clear(&client->answer);
  gh_coap_write_udp(&client->answer, &whole);
  finish(client, GH_OK);
}

/*= RFC 7959 2.4 */
static gh_err take_answer(gh_coap_client *client, const gh_coap_message *m)
{
  gh_coap_block block;
  if (m->code == GH_COAP_CONTINUE) {
    GH_REQUIRE(client->in_blocks && upload_block(client).more, GH_EPROTO);
    client->block1++;
    return send_part(client, GH_COAP_BLOCK1, upload_block(client));
  }
  bool part = gh_coap_find_block(m, GH_COAP_BLOCK2, &block);
  /*= RFC 7959 2.2 SZX 7 is reserved, and never sent; over a stream it is BERT */
  GH_REQUIRE(!part || client->stream || block.szx != GH_COAP_SZX_BERT, GH_EPROTO);
  uint64_t at = part ? (uint64_t)block.num * gh_coap_block_bytes(block.szx) : 0;
  GH_REQUIRE(at == client->answer_body.len && at + m->payload.len <= ANSWER_MAX, GH_EPROTO);
  gh_buf_add(&client->answer_body, m->payload);
  if (part && block.more) {
    size_t unit = gh_coap_block_bytes(block.szx);
    GH_REQUIRE(m->payload.len && m->payload.len % unit == 0, GH_EPROTO);
    block.num += (uint32_t)(m->payload.len / unit);
    block.more = false;
    return send_part(client, GH_COAP_BLOCK2, block);
  }
  keep_answer(client, m);
  return GH_OK;
}

/* Only an answer with the token of what is under way counts. */ /*= RFC 7252 5.3.2; TS-0008 7 */
static void take_response(gh_coap_client *client, const gh_coap_message *m)
{
  bool ours = client->busy && m->token_len == client->request.token_len &&
              memcmp(m->token, client->request.token, m->token_len) == 0;
  if (!ours) return;
  gh_err err = take_answer(client, m);
  if (err != GH_OK) finish(client, err);
}

static void take_frame(gh_coap_client *client, const gh_coap_message *m)
{
  if (m->code == GH_COAP_PING) {
    gh_coap_message pong = {.code = GH_COAP_PONG, .token_len = m->token_len};
    memcpy(pong.token, m->token, sizeof pong.token);
    if (send_message(client, &pong) != GH_OK) return;
  } else if (m->code == GH_COAP_ABORT || m->code == GH_COAP_RELEASE) {
    gh_conn_close(client->conn, GH_ECONN, "the entity ended the association");
  } else if (gh_coap_is_response(m)) {
    take_response(client, m);
  }
}

static void take_stream(gh_coap_client *client, gh_str octets)
{
  gh_coap_message m;
  size_t len = 0;
  gh_buf_add(&client->in, octets);
  for (;;) {
    gh_str rest = gh_buf_rest(&client->in);
    gh_err err = gh_coap_frame_len(rest, FRAME_MAX, &len);
    if (err == GH_EAGAIN || (err == GH_OK && rest.len < len)) return;
    if (err == GH_OK) err = gh_coap_parse_tcp(gh_str_sub(rest, 0, len), &m);
    if (err != GH_OK) {
      gh_conn_close(client->conn, GH_EPROTO, "malformed CoAP");
      return;
    }
    take_frame(client, &m);
    gh_buf_consume(&client->in, len);
  }
}

void gh_coap_client_data(gh_coap_client *client, gh_str octets)
{
  gh_coap_message m;
  uint32_t id;
  if (client->stream) {
    take_stream(client, octets);
    return;
  }
  gh_coap_event event = gh_coap_layer_take(&client->layer, now_of(client), octets, &m, &id);
  if (event == GH_COAP_NEW_RESPONSE) take_response(client, &m);
  if (event == GH_COAP_NEW_REQUEST) gh_coap_layer_forget(&client->layer, id); /* we serve nobody */
  rearm(client);
}

gh_err gh_coap_client_response(gh_coap_client *client, gh_arena *arena, gh_response *out, gh_diag *diag)
{
  gh_coap_message m;
  if (client->err != GH_OK) return gh_fail(diag, client->err, "no CoAP response");
  if (gh_coap_parse_udp(gh_buf_str(&client->answer), &m) != GH_OK)
    return gh_fail(diag, GH_EPROTO, "no CoAP response");
  return gh_coap_to_response(arena, &m, out, diag);
}
