// An embed token for one viewer. Needs .NET 10 alone: dotnet run EmbedToken.cs
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

static string Encoded(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=').Replace('+', '-').Replace('/', '_');

var claims = new Dictionary<string, object?>
{
    ["sharing_token"] = Environment.GetEnvironmentVariable("SHARING_TOKEN"),
    ["exp"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 600,
    ["fixed_parameters"] = new Dictionary<string, object> { ["region"] = new[] { "EU", "US" }, ["timerange"] = "last 7 days" },
};
var signed = Encoded(Encoding.UTF8.GetBytes("""{"alg":"HS256","typ":"JWT"}""")) + "." + Encoded(JsonSerializer.SerializeToUtf8Bytes(claims));
var secret = Encoding.UTF8.GetBytes(Environment.GetEnvironmentVariable("EMBED_SECRET")!);
Console.WriteLine(signed + "." + Encoded(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(signed))));
