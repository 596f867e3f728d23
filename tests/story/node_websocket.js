// A WebSocket client of another maker (ws) and another CBOR codec (cbor), both Debian's, as an AE of the CSE.
// Started by node_websocket.py with one argument, JSON: {port, ca, cert, key, otherCert, otherKey}.
'use strict';

const cbor = require('cbor');
const fs = require('fs');
const WebSocket = require('ws');

const given = JSON.parse(process.argv[2]);
const LIMIT_MS = 10000;
let failed = 0;

function expect(held, title, detail) {
  console.log(`${held ? 'ok  ' : 'FAIL'} ${title}${held || detail === undefined ? '' : `: ${JSON.stringify(detail)}`}`);
  if (!held) failed += 1;
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing in time`)), LIMIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function options(more) {
  return {
    ca: fs.readFileSync(given.ca),
    cert: fs.readFileSync(given.cert),
    key: fs.readFileSync(given.key),
    servername: 'in-cse.sp.example.com',
    ...more,
  };
}

class Entity {
  constructor(form, more) {
    this.form = form;
    this.waiting = new Map();
    this.count = 0;
    this.socket = new WebSocket(`wss://127.0.0.1:${given.port}/`, [`oneM2M.${form}`], options(more));
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', resolve);
      this.socket.on('error', reject);
    });
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.pinged = new Promise((resolve) => this.socket.on('pong', resolve));
    this.socket.on('message', (octets, isBinary) => this.take(octets, isBinary));
  }

  take(octets, isBinary) {
    expect(isBinary === (this.form === 'cbor'), `a message of ${this.form} has its opcode`);
    const primitive = this.form === 'cbor' ? cbor.decodeFirstSync(octets) : JSON.parse(octets);
    const resolve = this.waiting.get(primitive.rqi);
    this.waiting.delete(primitive.rqi);
    if (resolve) resolve(primitive);
  }

  ask(op, to, more) {
    this.count += 1;
    const rqi = `${this.form}${this.count}`;
    const primitive = { op, to, fr: 'Cnode', rqi, rvi: '3', ...more };
    const answer = new Promise((resolve) => this.waiting.set(rqi, resolve));
    this.socket.send(this.form === 'cbor' ? cbor.encode(primitive) : JSON.stringify(primitive));
    return within(answer, `${op} ${to}`);
  }
}

function refused(more, protocols) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`wss://127.0.0.1:${given.port}/`, protocols || ['oneM2M.json'], options(more));
    socket.on('open', () => resolve('open'));
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
    socket.on('error', (error) => resolve(error.code || error.message));
  });
}

async function permitted() {
  const json = new Entity('json');
  await within(json.opened, 'open');
  expect(json.socket.protocol === 'oneM2M.json', 'oneM2M.json is agreed', json.socket.protocol);
  expect(json.socket.extensions === '', 'compression is not', json.socket.extensions);
  let answer = await json.ask(1, 'cse-in', { ty: 2, pc: { 'm2m:ae': { api: 'N.node', rr: false, srv: ['3'] } } });
  expect(answer.rsc === 2001 && answer.pc['m2m:ae'].aei === 'Cnode', 'an AE registers', answer);
  answer = await json.ask(1, 'cse-in/Cnode', { ty: 3, pc: { 'm2m:cnt': { rn: 'box' } } });
  expect(answer.rsc === 2001, 'creates a container', answer);
  const many = await Promise.all([...Array(50).keys()].map(
    (i) => json.ask(1, 'cse-in/Cnode/box', { ty: 4, pc: { 'm2m:cin': { con: `value ${i}` } } })));
  expect(many.every((a) => a.rsc === 2001), 'fifty requests at once are answered, each its own');
  json.socket.ping();
  await within(json.pinged, 'pong');
  expect(true, 'a ping is answered');

  const binary = new Entity('cbor');
  await within(binary.opened, 'open');
  expect(binary.socket.protocol === 'oneM2M.cbor', 'oneM2M.cbor is agreed on another connection', binary.socket.protocol);
  answer = await binary.ask(1, 'cse-in/Cnode/box', { ty: 4, pc: { 'm2m:cin': { con: '\u00fcber 21.5 \u20ac' } } });
  expect(answer.rsc === 2001, 'CBOR creates', answer);
  const read = await Promise.all([json, binary].map((entity) => entity.ask(2, 'cse-in/Cnode/box/la')));
  expect(read[0].pc['m2m:cin'].con === '\u00fcber 21.5 \u20ac', 'JSON reads what CBOR wrote', read[0]);
  expect(JSON.stringify(read[0].pc) === JSON.stringify(read[1].pc), 'and CBOR reads the same', read[1]);
  return [json, binary];
}

async function notPermitted(json, binary) {
  for (const [title, more, rsc] of [['a From of another', { fr: 'Cother' }, 4106], ['an empty From', { fr: null }, 4000],
    ['an unknown member', { frr: 1 }, 4000], ['too late', { rqet: '20200101T000000' }, 4008]]) {
    for (const entity of [json, binary]) {
      const answer = await entity.ask(2, 'cse-in/Cnode', more);
      expect(answer.rsc === rsc, `${title} over ${entity.form}: ${rsc}`, answer);
    }
  }
  const other = await json.ask(2, 'cse-in/none');
  expect(other.rsc === 4004 || other.rsc === 4103, 'what is not there', other);
  for (const protocol of ['oneM2M.xml', 'chat', 'onem2m.JSON']) {
    expect(await within(refused({}, [protocol]), protocol) === 400, `the subprotocol ${protocol} is refused with 400`);
  }
  expect(await within(refused({ origin: 'https://page.example' }), 'origin') === 403, 'a page is refused with 403');
  const nobody = await within(refused({ cert: undefined, key: undefined }), 'no certificate');
  expect(typeof nobody === 'string' && nobody !== 'open', 'who has no certificate gets no WebSocket', nobody);
  const foreign = await within(refused({ cert: fs.readFileSync(given.otherCert), key: fs.readFileSync(given.otherKey) }), 'foreign');
  expect(typeof foreign === 'string' && foreign !== 'open', 'nor who has one of a foreign CA', foreign);
}

async function ends(json, binary) {
  json.socket.send(Buffer.from('{}'), { binary: true });
  expect(await within(json.closed, 'close') === 1003, 'binary where JSON was agreed: closed with 1003');
  binary.socket.send(Buffer.from([0xff]));
  expect(await within(binary.closed, 'close') === 1007, 'what is no CBOR: closed with 1007');
  const last = new Entity('json');
  await within(last.opened, 'open');
  last.socket.close(1000);
  expect(await within(last.closed, 'close') === 1000, 'a close is answered with its code');
}

(async () => {
  const [json, binary] = await permitted();
  await notPermitted(json, binary);
  await ends(json, binary);
})().catch((error) => {
  console.log(`FAIL ${error.stack}`);
  failed += 1;
}).finally(() => process.exit(failed ? 1 : 0));
