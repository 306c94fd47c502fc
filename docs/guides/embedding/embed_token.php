<?php
// An embed token for one viewer. Needs PHP alone.
function encoded(string $text): string
{
    return rtrim(strtr(base64_encode($text), '+/', '-_'), '=');
}

$claims = [
    'sharing_token' => getenv('SHARING_TOKEN'),
    'exp' => time() + 600,
    'fixed_parameters' => ['region' => ['EU', 'US'], 'timerange' => 'last 7 days'],
];
$signed = encoded(json_encode(['alg' => 'HS256', 'typ' => 'JWT'])) . '.' . encoded(json_encode($claims));
echo $signed . '.' . encoded(hash_hmac('sha256', $signed, getenv('EMBED_SECRET'), true)), "\n";
