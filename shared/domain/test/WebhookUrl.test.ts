import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Url from "../src/WebhookUrl.ts"

const verdict = (url: string, allowsPrivate = false) =>
  Result.match(Url.check(Url.WebhookUrl.make(url), allowsPrivate), { onFailure: () => "no", onSuccess: () => "yes" })

describe("a URL", () => {
  it.each<readonly [string, "yes" | "no"]>([
    ["https://example.org/hook", "yes"],
    ["https://example.org:8443/hook?token=x", "yes"],
    ["https://hooks.example.org./a", "yes"],
    ["https://93.184.216.34/", "yes"],
    ["https://8.8.8.8:1/", "yes"],
    ["https://172.15.255.255/", "yes"],
    ["https://172.32.0.0/", "yes"],
    ["https://100.63.255.255/", "yes"],
    ["https://100.128.0.0/", "yes"],
    ["https://223.255.255.255/", "yes"],
    ["https://[2606:2800:220:1:248:1893:25c8:1946]/", "yes"],
    ["https://[::ffff:8.8.8.8]/", "yes"],
    ["https://[64:ff9b::808:808]/", "yes"],
    ["https://[2002:808:808::1]/", "yes"],
    ["https://127.0.0.1.example.org/", "yes"],
    ["http://example.org/hook", "no"],
    ["https://user:secret@example.org/", "no"],
    ["https://user@example.org/", "no"],
    ["https://example.org/#part", "no"],
    ["https://[", "no"],
    ["https://256.1.1.1/", "no"],
    ["https://localhost/", "no"],
    ["https://LOCALHOST./", "no"],
    ["https://a.localhost:9000/", "no"],
    ["https://127.0.0.1/", "no"],
    ["https://127.255.255.254:8000/", "no"],
    ["https://127.1/", "no"],
    ["https://127.0.0.1./", "no"],
    ["https://10.1./", "no"],
    ["https://%31%32%37.0.0.1/", "no"],
    ["https://2130706433/", "no"],
    ["https://0x7f000001/", "no"],
    ["https://0x7f.0.0.1/", "no"],
    ["https://0177.0.0.1/", "no"],
    ["https://017700000001/", "no"],
    ["https://0/", "no"],
    ["https://0.0.0.0/", "no"],
    ["https://10.0.0.1/", "no"],
    ["https://172.16.0.1/", "no"],
    ["https://172.31.255.255/", "no"],
    ["https://192.168.1.1/", "no"],
    ["https://169.254.169.254/latest/meta-data", "no"],
    ["https://100.64.0.1/", "no"],
    ["https://100.127.255.255/", "no"],
    ["https://192.0.0.8/", "no"],
    ["https://192.0.2.1/", "no"],
    ["https://198.18.0.1/", "no"],
    ["https://198.19.255.255/", "no"],
    ["https://203.0.113.7/", "no"],
    ["https://224.0.0.1/", "no"],
    ["https://239.255.255.255/", "no"],
    ["https://240.0.0.1/", "no"],
    ["https://255.255.255.255/", "no"],
    ["https://[::]/", "no"],
    ["https://[::1]/", "no"],
    ["https://[::127.0.0.1]/", "no"],
    ["https://[::ffff:127.0.0.1]/", "no"],
    ["https://[::ffff:a00:1]/", "no"],
    ["https://[64:ff9b::7f00:1]/", "no"],
    ["https://[64:ff9b:1::8.8.8.8]/", "no"],
    ["https://[2002:7f00:1::]/", "no"],
    ["https://[2002:c0a8:101::1]/", "no"],
    ["https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", "no"],
    ["https://[2001:db8::1]/", "no"],
    ["https://[3fff::1]/", "no"],
    ["https://[fc00::1]/", "no"],
    ["https://[fd12:3456::1]/", "no"],
    ["https://[fe80::1]/", "no"],
    ["https://[fec0::1]/", "no"],
    ["https://[ff02::1]/", "no"],
    ["https://[100::1]/", "no"]
  ])("%s may be sent to: %s", (url, expected) => {
    assert.strictEqual(verdict(url), expected)
  })

  it.each(["http://127.0.0.1:9000/", "http://localhost/", "https://[::1]/", "http://example.org/"])(
    "%s may be sent to where private addresses are allowed",
    (url) => {
      assert.strictEqual(verdict(url, true), "yes")
    }
  )

  it.each(["https://user:secret@example.org/", "https://example.org/#part"])(
    "%s may not be sent to even there",
    (url) => {
      assert.strictEqual(verdict(url, true), "no")
    }
  )
})

it.each([
  "",
  "localhost",
  "1.2.3",
  "1.2.3.4.5",
  "01.2.3.4",
  "fe80::1%eth0",
  "1::2::3",
  "1:2:3:4:5:6:7:8:9",
  ":",
  "::g"
])(
  "what is no address, such as %j, is none on the internet",
  (text) => {
    assert.isFalse(Url.isPublic(text))
  }
)
