"""An embed token for one viewer. Needs PyJWT."""

import os
import time

import jwt

claims = {
    "sharing_token": os.environ["SHARING_TOKEN"],
    "exp": int(time.time()) + 600,
    "fixed_parameters": {"region": ["EU", "US"], "timerange": "last 7 days"},
}
print(jwt.encode(claims, os.environ["EMBED_SECRET"], algorithm="HS256"))
