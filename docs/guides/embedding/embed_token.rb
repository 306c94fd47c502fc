# An embed token for one viewer. Needs Ruby alone.
require "json"
require "openssl"

def encoded(text) = [text].pack("m0").tr("+/", "-_").delete("=")

claims = {
  sharing_token: ENV.fetch("SHARING_TOKEN"),
  exp: Time.now.to_i + 600,
  fixed_parameters: { region: ["EU", "US"], timerange: "last 7 days" }
}
signed = "#{encoded(JSON.generate({ alg: "HS256", typ: "JWT" }))}.#{encoded(JSON.generate(claims))}"
puts "#{signed}.#{encoded(OpenSSL::HMAC.digest("SHA256", ENV.fetch("EMBED_SECRET"), signed))}"
