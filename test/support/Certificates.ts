/** Certificates of an authority that nobody else knows, made by openssl. */
import { Effect } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"

export const hasOpenssl = spawnSync("openssl", ["version"]).error === undefined
if (!hasOpenssl) console.warn("openssl is not on this machine: what needs certificates is not tested")

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

/** An authority with its files in a folder; its certificates are good for a day. */
export const authority = (folder: string, name = "ca") =>
  Effect.sync(() => {
    const file = (name: string) => join(folder, name)
    const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "pipe" })
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    const [caFile, caKey] = [file(`${name}.pem`), file(`${name}.key`)]
    openssl("req", "-x509", ...newKey, "-days", "1", "-subj", `/CN=${name}`, "-keyout", caKey, "-out", caFile)

    /** A certificate for these names, such as `DNS:localhost` and `IP:127.0.0.1`. */
    const issue = (subject: string, names: ReadonlyArray<string>): Certificate => {
      const [certFile, keyFile] = [file(`${name}.${subject}.pem`), file(`${name}.${subject}.key`)]
      const [request, extensions] = [file(`${subject}.csr`), file(`${subject}.ext`)]
      writeFileSync(extensions, names.length === 0 ? "" : `subjectAltName=${names.join(",")}\n`)
      openssl("req", ...newKey, "-subj", `/CN=${subject}`, "-keyout", keyFile, "-out", request)
      const signed = ["-CA", caFile, "-CAkey", caKey, "-CAcreateserial", "-extfile", extensions]
      openssl("x509", "-req", "-in", request, ...signed, "-days", "1", "-out", certFile)
      return { certFile, keyFile }
    }
    return { caFile, issue }
  })
