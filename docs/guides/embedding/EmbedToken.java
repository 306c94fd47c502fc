// An embed token for one viewer. Needs Java 17 alone: java EmbedToken.java
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class EmbedToken {
    static String encoded(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    public static void main(String[] arguments) throws Exception {
        long exp = System.currentTimeMillis() / 1000 + 600;
        String claims = "{\"sharing_token\":\"" + System.getenv("SHARING_TOKEN") + "\",\"exp\":" + exp
            + ",\"fixed_parameters\":{\"region\":[\"EU\",\"US\"],\"timerange\":\"last 7 days\"}}";
        String signed = encoded("{\"alg\":\"HS256\"}".getBytes(StandardCharsets.UTF_8)) + "."
            + encoded(claims.getBytes(StandardCharsets.UTF_8));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(System.getenv("EMBED_SECRET").getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        System.out.println(signed + "." + encoded(mac.doFinal(signed.getBytes(StandardCharsets.UTF_8))));
    }
}
