BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'redeemd','0001_first_till','2026-11-28 14:20:31.394402+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'redeemd','0002_print_documents','2026-11-28 14:20:31.395189+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'redeemd','0003_promo_rules','2026-11-28 14:20:31.396573+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'redeemd','0004_promos_signed_here','2026-11-28 14:20:31.397249+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'redeemd','0005_promo_look_ups','2026-11-28 14:20:31.397772+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'redeemd','0006_sale_holds','2026-11-28 14:20:31.398648+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'redeemd','0007_disclosures','2026-11-28 14:20:31.399244+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'redeemd','0008_members','2026-11-28 14:20:31.400384+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'redeemd','0009_badges_and_split_sales','2026-11-28 14:20:31.400999+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'redeemd','0010_conflicts','2026-11-28 14:20:31.401555+00:00');
INSERT INTO "_sqlite_migrations" VALUES(11,'redeemd','0011_requests_by_key','2026-11-28 14:20:31.403237+00:00');
CREATE TABLE badge_use (
    badge TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (badge, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    value_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "budget" VALUES('acme',1,-1,1,3000);
INSERT INTO "budget" VALUES('acme',1,20785,1,3000);
CREATE TABLE bundle (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER,
    manifest BLOB
) STRICT;
INSERT INTO "bundle" VALUES(1,1,X'844DA201320448890331DD43C8DC9AA059013CA76474696C6C66542D303030316565706F63680165706172747385836963616D706169676E73190179582001A13F3E6B095E518AA4B3A8CC881D4F5508B5259E1B89A1251DCFA99B9F3D5083646B657973188A5820933FC8A404517DA2579365D2DF9AC3FE61DE3591A03B652D0D8195DD7AD4D3058365706C616365186A58200AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85836670726F6D6F7301582076BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71836D7374617475732F61636D652F31182F58205875DFA059286879E9086F31C9398643FEA9A0F5D8E73E5996234C082857D228666973737565641A6B0AE32F6873657175656E6365016D7374616C655F61667465725F731A000151806F657870697265735F61667465725F731A0012750058400184F295204F0A5C8DCA7996478E53AA02CCDD82601C6A018228E94F890251DEF386710D3266137E934F67DAD08137C6F009DB3B45F73B7FBCBE4FC14CA2A704');
CREATE TABLE conflict (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    other_id TEXT NOT NULL,
    document TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    seen_at TEXT,
    UNIQUE (redemption_id, other_id, kind)
) STRICT;
CREATE TABLE coupon_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    at TEXT NOT NULL,
    forget_after INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 1 CHECK (uses > 0), spent_minor INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO "coupon_use" VALUES('acme',1,1,'T-0001-1','2026-11-28T14:20:31.407Z',20815,1,0);
CREATE TABLE disclosure (
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    digest TEXT NOT NULL,
    salt TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    PRIMARY KEY (lane, sequence, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE evidence_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT
) STRICT;
INSERT INTO "evidence_record" VALUES(1,'{"data":{"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-28","clock":{"doubt":"","wall":"2026-11-28T14:20:31.407Z"},"coupon":{"campaign":1,"code":null,"index":1,"issuer":"acme","kid":"535416439da8134f","referrer":null,"touch":null},"detail":null,"hour":14,"member":null,"merchant":"acme","offline":true,"outcome":"already_redeemed","sale":null,"scan_id":"a0d05a27c68482196715874aa94dc12c","source":"test","store":"S-07","token_sha256":"dc57df71b75d6899d0185266108a961b894438dc21f4cb93b443832af4fd2a66"},"datacontenttype":"application/json","id":"T-0001-E1","lane":"evidence","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-28T14:20:31.407Z","type":"redeemd.evidence.v1","hash":"020c4c88f8dcf85795643ef1e9356625aaa2534a2df761a917127109f3d6a23e","signature":"seWE6o3VcEdIGepljHfNJ96FEBmwacTynW8cPSxM1LuTPleg5qWK9BXkF9GKAL-CNKsQPzC8dfQWx9vjPl89Dw"}','020c4c88f8dcf85795643ef1e9356625aaa2534a2df761a917127109f3d6a23e','waiting',NULL);
CREATE TABLE held_coupon (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hold_id TEXT NOT NULL,
    until TEXT NOT NULL,
    charge_minor INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL, member BLOB, points INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer, campaign, idx, hold_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
    hold_id TEXT PRIMARY KEY,
    sale_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'committed', 'voided', 'expired')),
    opened_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    held TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;
CREATE TABLE member_points (
    number INTEGER PRIMARY KEY,
    member BLOB NOT NULL,
    day INTEGER NOT NULL,
    sale_id TEXT NOT NULL,
    earned INTEGER NOT NULL,
    spent INTEGER NOT NULL
) STRICT;
CREATE TABLE member_sale (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    member BLOB NOT NULL,
    sale_id TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, member, sale_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE member_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    member BLOB NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, member, day, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE part (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "part" VALUES('campaigns',X'01A13F3E6B095E518AA4B3A8CC881D4F5508B5259E1B89A1251DCFA99B9F3D50',X'81B164656E647319529E6473697A651864656F66666572A16762656E65666974A2646B696E646A616D6F756E745F6F666665737465707381A2696F66665F6D696E6F72190BB86A66726F6D5F6D696E6F72192710657469746C65A262656E6A3330206F666620313030627A686FE6BBA1E799BEE5878FE4B889E58D8166627564676574A469636F756E745F6461791A000F42406D636F756E745F6F66666C696E651A000F42406F76616C75655F6461795F6D696E6F721B00000002540BE4007376616C75655F6F66666C696E655F6D696E6F721B00000002540BE400666973737565726461636D65666E756D626572016670726F6D7074A262656E60627A6860667374617274731951136673746F726573F66776657273696F6E016863757272656E637963434E596A636F6E646974696F6E73A262656E60627A68606A67726163655F64617973006D6F66666C696E655F636C61737361436D7374616C655F70657263656E7418196F657870697265645F70657263656E7400');
INSERT INTO "part" VALUES('keys',X'933FC8A404517DA2579365D2DF9AC3FE61DE3591A03B652D0D8195DD7AD4D305',X'81A8636B696448535416439DA8134F666973737565726461636D6567657870697265731952C169616C676F726974686D326963616D706169676E73F66A6E6F745F6265666F7265006A7075626C69635F6B657958206792324ED01A8419A67C637499CFA96E808E4F24BC096E41A0AFBEAC66859A086F76616C75655F6D61785F6D696E6F721A000F4240');
INSERT INTO "part" VALUES('place',X'0AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85',X'A7647A6F6E65635554436573746F726564532D3037657469746C65A262656E6D50656F706C65277320526F6164627A686CE4BABAE6B091E8B7AFE5BA976667726F757073811846666E756D626572076863757272656E637963434E59686D65726368616E746461636D65');
INSERT INTO "part" VALUES('promos',X'76BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71',X'80');
INSERT INTO "part" VALUES('status/acme/1',X'5875DFA059286879E9086F31C9398643FEA9A0F5D8E73E5996234C082857D228',X'A464626974734A780163C005000019000165636F756E741864666973737565726461636D656863616D706169676E01');
CREATE TABLE print_document (
    number INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE print_job (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    state TEXT NOT NULL,
    copies INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    queued_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
INSERT INTO "print_job" VALUES(1,'T-0001-1','T-0001-1','{"language":"en","store_name":"People''s Road","till":"T-0001","printed_at":"2026-11-28 14:20:31","redemption_number":"T-0001-1","campaign_title":"30 off 100","benefit_text":"30 off from 100","currency":"CNY","sale_total_minor":null,"discount_minor":null,"payable_minor":null,"offline":true,"promo_token":null,"promo_title":"","promo_conditions":"","promo_short":"","papers":["redemption"],"join_link":"","join_words":"","referral_link":"","referral_words":"","conflict":""}','queued',0,'','2026-11-28T14:20:31.407Z','2026-11-28T14:20:31.407Z');
CREATE TABLE promo (
    short TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    texts TEXT NOT NULL,
    redemption_id TEXT
, issuer TEXT NOT NULL DEFAULT '', campaign INTEGER NOT NULL DEFAULT 0, idx INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL DEFAULT 65535, settled INTEGER NOT NULL DEFAULT 0, signed INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE redemption_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- conflict: acknowledged, and the coupon was redeemed at another till as well
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT               -- the cloud's answer as JSON
) STRICT;
INSERT INTO "redemption_record" VALUES(1,'{"data":{"assistant":null,"basket":null,"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-28","campaign_version":1,"charge_minor":3000,"clock":{"doubt":"","wall":"2026-11-28T14:20:31.407Z"},"coupon":{"campaign":1,"code":null,"index":1,"issuer":"acme","kid":"535416439da8134f","referrer":null,"touch":null},"currency":"CNY","detail":null,"discount_minor":null,"hour":14,"incentives":[],"member":null,"merchant":"acme","offline":true,"offline_class":"C","outcome":"accepted","promo":null,"promotion":null,"redemption_id":"T-0001-1","sale":null,"scan_id":"3a756b9d3b7e9a1e02fd70a15462462a","source":"test","store":"S-07","tenders":[],"token_sha256":"dc57df71b75d6899d0185266108a961b894438dc21f4cb93b443832af4fd2a66","touches":[]},"datacontenttype":"application/json","id":"T-0001-1","lane":"redemption","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-28T14:20:31.407Z","type":"redeemd.redemption.v1","hash":"021d1b4828b7bd5f4757cb5e42c3dc84f882cc23f1c4e187bfaa34a6fd4368aa","signature":"FzMuIHKlCxoYxj8yQPjl1xCn5r8f0G_0IU6RbALtJ4KMXFWvJsms43bkXe-1j3UKcMtgmwmHnVWpRIkWsbX1Ag"}','021d1b4828b7bd5f4757cb5e42c3dc84f882cc23f1c4e187bfaa34a6fd4368aa','waiting',NULL);
CREATE TABLE "request" (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "request" VALUES('key','d1cb64985c9aa8ded12df5c4e6a47b3f0235849f0307359403b73290f2c4e0f9','{"accepted":true,"at":"2026-11-28T14:20:31.407Z","campaign":{"benefit_en":"30 off from 100","benefit_zh":"满 100 减 30","prompt_en":"","prompt_zh":"","title_en":"30 off 100","title_zh":"满百减三十"},"coupon":{"campaign":1,"expires":"2026-12-28","index":1,"issuer":"acme"},"currency":"CNY","detail":null,"discount_minor":null,"en":"Accepted: 30 off from 100","first_use":null,"ms":0.0,"next_en":"Check: 30 off from 100","next_zh":"请核对：满 100 减 30","offline":true,"outcome":"accepted","print_job":"T-0001-1","redemption_id":"T-0001-1","replayed":false,"scan_id":"3a756b9d3b7e9a1e02fd70a15462462a","source":"test","tone":"good","transient":false,"works_from":null,"zh":"可用：满 100 减 30"}','2026-11-28T14:20:31.407Z');
CREATE TABLE returned (
    number INTEGER NOT NULL,
    line TEXT NOT NULL,
    pieces INTEGER NOT NULL CHECK (pieces > 0),
    PRIMARY KEY (number, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE root (
    epoch INTEGER PRIMARY KEY,
    document BLOB NOT NULL
) STRICT;
INSERT INTO "root" VALUES(1,X'A264726F6F745891A56565706F636801666973737565641A6B0AE32F69726F6F745F6B657973818248AAB5B21AF3B9CC7C5820CE76FF0AE7F8D95CA8B17651E30EA68033CD6842471580FED92AE82449D6BEA8697468726573686F6C64016D6D616E69666573745F6B657973818248890331DD43C8DC9A5820F96AF6B10E0D389788B974A20F639A987D7B11EAE81EF460744EBB40867B3A8C6A7369676E617475726573818248AAB5B21AF3B9CC7C5840E340DBAE512798C5995B96F6CAC8EA7427A299C18E5496706458C01E17E2E612898361CC330236321CEBAC590537F127CBFAFE5F8B4B6A61A0E801D914D3ED02');
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "setting" VALUES('till','T-0001');
INSERT INTO "setting" VALUES('time_anchor','2026-11-28T14:20:31.000Z - 0.000');
INSERT INTO "setting" VALUES('time_mark','2026-11-28T14:20:31.000Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX redemption_waiting ON redemption_record (sequence) WHERE state = 'waiting';
CREATE INDEX redemption_quarantined ON redemption_record (sequence) WHERE state = 'quarantined';
CREATE INDEX redemption_conflict ON redemption_record (sequence) WHERE state = 'conflict';
CREATE INDEX evidence_waiting ON evidence_record (sequence) WHERE state = 'waiting';
CREATE INDEX evidence_quarantined ON evidence_record (sequence) WHERE state = 'quarantined';
CREATE INDEX evidence_conflict ON evidence_record (sequence) WHERE state = 'conflict';
CREATE VIEW record AS
    SELECT 'redemption' AS lane, sequence, event, hash, state, outcome FROM redemption_record
    UNION ALL SELECT 'evidence', sequence, event, hash, state, outcome FROM evidence_record;
CREATE INDEX print_job_open ON print_job (number) WHERE state IN ('queued', 'sending', 'unconfirmed');
CREATE INDEX promo_free ON promo (short) WHERE redemption_id IS NULL;
CREATE INDEX promo_coupon ON promo (issuer, campaign, idx);
CREATE INDEX promo_handed_out ON promo (redemption_id) WHERE redemption_id IS NOT NULL AND settled = 0;
CREATE INDEX promo_free_of ON promo (issuer, campaign, short) WHERE redemption_id IS NULL;
CREATE INDEX promo_signed ON promo (issuer, campaign, idx) WHERE signed = 1;
CREATE INDEX hold_open ON hold (expires_at) WHERE state = 'open';
CREATE INDEX hold_sale ON hold (sale_id) WHERE state = 'committed';
CREATE INDEX disclosure_pseudonym ON disclosure (pseudonym);
CREATE INDEX member_points_member ON member_points (member, number);
CREATE INDEX member_sale_at ON member_sale (at);
CREATE INDEX conflict_unseen ON conflict (id) WHERE kind = 'conflict' AND seen_at IS NULL;
COMMIT;
PRAGMA application_id = 1380207940;
PRAGMA user_version = 11;
