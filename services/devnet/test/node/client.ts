/** A client of the node, written from the protocol alone. */
import {
  type IPCChunk,
  type IPCFileBlockData,
  IPCNodeAPIClient,
  type IPCNodeAPIService
} from "@akave-async/proto/ipcnode"
import { credentials, type ServiceError } from "@grpc/grpc-js"
import { getBytes, hexlify, JsonRpcProvider, keccak256, toBeArray, toUtf8Bytes, Wallet } from "ethers"
import { base58btc } from "multiformats/bases/base58"
import { CID } from "multiformats/cid"
import { createHash, randomBytes } from "node:crypto"
import { storageInterface } from "../devnet.ts"

// ── Blocks, chunks and files (dag-pb and UnixFS) ───────────────────────────────────────────────────────────────────

const varint = (value: number): Buffer => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Buffer.from([...bytes, rest])
}
const field = (tag: number, data: Uint8Array) => Buffer.concat([Buffer.from([tag]), varint(data.length), data])

export interface Node {
  /** 36 bytes. */
  readonly cid: Buffer
  readonly bytes: Buffer
}
const nodeOf = (bytes: Buffer): Node => ({
  cid: Buffer.concat([Buffer.from("01701220", "hex"), createHash("sha256").update(bytes).digest()]),
  bytes
})
export const textOf = ({ cid }: { readonly cid: Buffer }): string => CID.decode(cid).toString()
export const digestOf = ({ cid }: { readonly cid: Buffer }): string => cid.subarray(4).toString("hex")

export const leaf = (payload: Uint8Array): Node & { readonly payload: Uint8Array } => ({
  ...nodeOf(field(
    0x0a,
    Buffer.concat([Buffer.from([8, 2]), field(0x12, payload), Buffer.from([0x18]), varint(payload.length)])
  )),
  payload
})

const rootOf = (
  links: ReadonlyArray<{ readonly cid: Buffer; readonly encoded: number; readonly raw: number }>
): Node => {
  const total = links.reduce((sum, { raw }) => sum + raw, 0)
  return nodeOf(Buffer.concat([
    ...links.map(({ cid, encoded }) =>
      field(0x12, Buffer.concat([field(0x0a, cid), Buffer.from([0x12, 0, 0x18]), varint(encoded)]))
    ),
    field(
      0x0a,
      Buffer.concat([
        Buffer.from([8, 2, 0x18]),
        varint(total),
        ...links.flatMap(({ raw }) => [Buffer.from([0x20]), varint(raw)])
      ])
    )
  ]))
}

export interface Chunk {
  readonly cid: Buffer
  readonly index: number
  readonly blocks: ReadonlyArray<Node & { readonly payload: Uint8Array }>
  readonly encoded: number
  readonly raw: number
}
export const chunkOf = (index: number, payloads: ReadonlyArray<Uint8Array>): Chunk => {
  const blocks = payloads.map(leaf)
  const [only] = blocks
  const links = blocks.map(({ bytes, cid, payload }) => ({ cid, encoded: bytes.length, raw: payload.length }))
  const cid = blocks.length === 1 && only !== undefined ? only.cid : rootOf(links).cid
  const sum = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0)
  return {
    cid,
    index,
    blocks,
    encoded: sum(links.map(({ encoded }) => encoded)),
    raw: sum(links.map(({ raw }) => raw))
  }
}
export const rootCidOf = (chunks: ReadonlyArray<Chunk>): Buffer => {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only.cid : rootOf(chunks).cid
}
export const random = (blocks: number, size = 100): ReadonlyArray<Buffer> =>
  Array.from({ length: blocks }, () => randomBytes(size))

export const messageOf = (chunk: Chunk): IPCChunk => ({
  cid: textOf(chunk),
  index: BigInt(chunk.index),
  size: BigInt(chunk.raw),
  blocks: chunk.blocks.map((block) => ({ cid: textOf(block), size: BigInt(block.bytes.length) }))
})

// ── The node ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const connect = (address: string) => new IPCNodeAPIClient(address, credentials.createInsecure())

type Unary = Exclude<keyof typeof IPCNodeAPIService, "fileUploadBlock" | "fileDownloadBlock">
type Request<Name extends keyof typeof IPCNodeAPIService> = Parameters<
  typeof IPCNodeAPIService[Name]["requestSerialize"]
>[0]
type Response<Name extends keyof typeof IPCNodeAPIService> = ReturnType<
  typeof IPCNodeAPIService[Name]["responseDeserialize"]
>

/** Calls an rpc with one answer; rejects with the ServiceError. */
export const ask = <Name extends Unary>(client: IPCNodeAPIClient, name: Name, request: Request<Name>) =>
  new Promise<Response<Name>>((resolve, reject) => {
    const call = client[name].bind(client) as unknown as (
      request: Request<Name>,
      callback: (error: ServiceError | null, response: Response<Name>) => void
    ) => void
    call(request, (error, response) => error === null ? resolve(response) : reject(error))
  })

/** The status of a call that must fail. */
export const refusal = (call: Promise<unknown>) =>
  call.then(
    (): { code: number; details: string } => ({ code: 0, details: "" }),
    ({ code, details }: ServiceError) => ({ code, details })
  )

/** Sends messages as one stream. */
export const stream = (client: IPCNodeAPIClient, messages: ReadonlyArray<IPCFileBlockData>) =>
  new Promise<void>((resolve, reject) => {
    const call = client.fileUploadBlock((error) => error === null ? resolve() : reject(error))
    call.on("error", () => undefined)
    for (const message of messages) call.write(message)
    call.end()
  })

/** A block as the node sends it, and the sizes of the messages. */
export const download = (client: IPCNodeAPIClient, request: Request<"fileDownloadBlock">) =>
  new Promise<{ readonly bytes: Buffer; readonly sizes: ReadonlyArray<number> }>((resolve, reject) => {
    const parts: Array<Uint8Array> = []
    client.fileDownloadBlock(request)
      .on("data", ({ data }: IPCFileBlockData) => parts.push(data))
      .on("error", reject)
      .on("end", () => resolve({ bytes: Buffer.concat(parts), sizes: parts.map(({ length }) => length) }))
  })

// ── The chain ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** An owner's way to the chain and to the node. */
export interface Session {
  readonly client: IPCNodeAPIClient
  readonly owner: Wallet
  readonly provider: JsonRpcProvider
  readonly storageAddress: string
}

/** A new owner with coins. */
export const session = async (address: string, rpcUrl: string, storageAddress: string): Promise<Session> => {
  const provider = new JsonRpcProvider(rpcUrl, 31337, { staticNetwork: true, cacheTimeout: -1, batchMaxCount: 1 })
  const owner = new Wallet(hexlify(randomBytes(32)), provider)
  await provider.send("anvil_setBalance", [owner.address, "0xd3c21bcecceda1000000"])
  return { client: connect(address), owner, provider, storageAddress }
}
export const close = ({ client, provider }: Session) => {
  client.close()
  provider.destroy()
}

/** Sends a transaction to Storage and has it mined at once. */
export const transact = async (
  { owner, provider, storageAddress }: Session,
  name: string,
  parameters: ReadonlyArray<unknown>
) => {
  const data = storageInterface.encodeFunctionData(name, parameters)
  const sent = await owner.sendTransaction({ to: storageAddress, data })
  await provider.send("evm_mine", [])
  const receipt = await provider.getTransactionReceipt(sent.hash) ?? await sent.wait()
  if (receipt?.status !== 1) throw new Error(`${name} failed`)
}
export const view = async ({ provider, storageAddress }: Session, name: string, parameters: ReadonlyArray<unknown>) =>
  storageInterface.decodeFunctionResult(
    name,
    await provider.call({ to: storageAddress, data: storageInterface.encodeFunctionData(name, parameters) })
  )[0]

export const bucketIdOf = ({ owner }: Session, bucketName: string) =>
  keccak256(Buffer.concat([toUtf8Bytes(bucketName), getBytes(owner.address)]))
export const fileIdOf = (session: Session, bucketName: string, fileName: string) =>
  keccak256(Buffer.concat([getBytes(bucketIdOf(session, bucketName)), toUtf8Bytes(fileName)]))

export interface Place {
  readonly bucketName: string
  readonly fileName: string
}

const blockType = [
  ["chunkCID", "bytes"],
  ["blockCID", "bytes32"],
  ["chunkIndex", "uint256"],
  ["blockIndex", "uint8"],
  ["nodeId", "bytes32"],
  ["nonce", "uint256"],
  ["deadline", "uint256"],
  ["bucketId", "bytes32"]
].map(([name = "", type = ""]) => ({ name, type }))

/** The messages of one block: a first one with everything, and then segments. */
export const messagesOf = async (
  session: Session,
  { bucketName, fileName }: Place,
  chunk: Chunk,
  blockIndex: number,
  nodeId: string,
  { deadline = BigInt(Math.floor(Date.now() / 1000) + 86_400), segment = 131_072, signer = session.owner } = {}
): Promise<Array<IPCFileBlockData>> => {
  const block = chunk.blocks[blockIndex]
  if (block === undefined) throw new Error(`no block ${blockIndex}`)
  const bucketId = bucketIdOf(session, bucketName)
  const node = base58btc.baseDecode(nodeId)
  const nonce = BigInt(hexlify(randomBytes(32)))
  const signature = await signer.signTypedData(
    { name: "Storage", version: "1", chainId: 31337, verifyingContract: session.storageAddress },
    { StorageData: blockType },
    {
      chunkCID: chunk.cid,
      blockCID: block.cid.subarray(4),
      chunkIndex: chunk.index,
      blockIndex,
      nodeId: node.subarray(6),
      nonce,
      deadline,
      bucketId
    }
  )
  const count = Math.max(1, Math.ceil(block.bytes.length / segment))
  return Array.from({ length: count }, (_, number) => ({
    data: block.bytes.subarray(number * segment, (number + 1) * segment),
    cid: number === 0 ? textOf(block) : "",
    index: BigInt(blockIndex),
    chunk: number === 0 ? messageOf(chunk) : undefined,
    bucketId: getBytes(bucketId),
    fileName,
    nonce: toBeArray(nonce),
    nodeId: node,
    signature: signature.slice(2),
    deadline
  }))
}

/** Announces a chunk and adds it on the chain; gives the node's id. */
export const addChunk = async (session: Session, place: Place, chunk: Chunk): Promise<string> => {
  const bucketId = bucketIdOf(session, place.bucketName)
  const { blocks } = await ask(session.client, "fileUploadChunkCreate", {
    chunk: messageOf(chunk),
    bucketId: getBytes(bucketId),
    fileName: place.fileName
  })
  await transact(session, "addFileChunks", [
    [chunk.cid],
    bucketId,
    place.fileName,
    [chunk.encoded],
    [chunk.blocks.map(({ cid }) => cid.subarray(4))],
    [chunk.blocks.map(({ bytes }) => bytes.length)],
    chunk.index
  ])
  return blocks[0]?.nodeId ?? ""
}
export const createBucket = (session: Session, bucketName: string) => transact(session, "createBucket", [bucketName])
export const createFile = (session: Session, { bucketName, fileName }: Place) =>
  transact(session, "createFile", [bucketIdOf(session, bucketName), fileName])

export const uploadChunk = async (session: Session, place: Place, chunk: Chunk, nodeId: string) => {
  for (const index of chunk.blocks.keys()) {
    await stream(session.client, await messagesOf(session, place, chunk, index, nodeId))
  }
}

/** Waits until the condition holds. */
export const until = async (condition: () => Promise<boolean>) => {
  const end = Date.now() + 50_000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error("it does not come true")
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
export const untilFilled = (session: Session, { bucketName, fileName }: Place) =>
  until(async () => Boolean(await view(session, "isFileFilled", [fileIdOf(session, bucketName, fileName)])))

export const commit = (session: Session, { bucketName, fileName }: Place, chunks: ReadonlyArray<Chunk>) =>
  transact(session, "commitFile", [
    bucketIdOf(session, bucketName),
    fileName,
    chunks.reduce((sum, { encoded }) => sum + encoded, 0),
    chunks.reduce((sum, { raw }) => sum + raw, 0),
    rootCidOf(chunks)
  ])

/** A whole upload; the bucket is there. */
export const upload = async (session: Session, place: Place, chunks: ReadonlyArray<Chunk>) => {
  await createFile(session, place)
  for (const chunk of chunks) await uploadChunk(session, place, chunk, await addChunk(session, place, chunk))
  await untilFilled(session, place)
  await commit(session, place, chunks)
}

export const deleteFile = async (session: Session, { bucketName, fileName }: Place) => {
  const fileId = fileIdOf(session, bucketName, fileName)
  const index = await view(session, "getFileIndexById", [bucketName, fileId, session.owner.address])
  await transact(session, "deleteFile", [fileId, bucketIdOf(session, bucketName), fileName, index])
}

/** All blocks of a file in order, by the rpcs of a download. */
export const downloadFile = async ({ client, owner: { address } }: Session, place: Place) => {
  const { bucketName, chunks } = await ask(client, "fileDownloadCreate", { ...place, address })
  const parts: Array<Buffer> = []
  for (const [index, { cid: chunkCid }] of chunks.entries()) {
    const chunk = { bucketName, fileName: place.fileName, chunkCid, chunkIndex: BigInt(index), address }
    const { blocks } = await ask(client, "fileDownloadChunkCreate", chunk)
    for (const [blockIndex, { cid: blockCid }] of blocks.entries()) {
      parts.push((await download(client, { ...chunk, blockCid, blockIndex: BigInt(blockIndex) })).bytes)
    }
  }
  return Buffer.concat(parts)
}
export const encodedOf = (chunks: ReadonlyArray<Chunk>): Buffer =>
  Buffer.concat(chunks.flatMap(({ blocks }) => blocks.map(({ bytes }) => bytes)))
